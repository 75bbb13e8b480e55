"""A service on its own needs the secrets of what it is sent, and no others."""

import pytest

from chassis.config import ConfigError
from chassis.snapshots import SECTIONS
from launcher.configuration import load_own

TEXT = """\
edge: {key_pepper: "${PEPPER}", admin: {key: "${ADMIN_KEY}"}, drain: {delay: 1s, grace: 20s}}
cache:
  store: "redis://:${CACHE_PASSWORD}@redis:6379/0"
  encryption: {master_key: "${MASTER_KEY}"}
ratelimit: {store: "redis://:${LIMITS_PASSWORD}@redis:6379/1"}
mesh: {cache: {listen: "${POD_IP}", endpoints: [cache.mesh]}}
providers:
  - {name: openai, kind: openai, api_keys: [{name: a, key: "${OPENAI_A}"}, {name: b, key: "${FILE:/nowhere/openai-b}"}]}
models: [{name: "openai/*"}]
tenants:
  - {name: acme, keys: [{name: ci, secret: "${ACME_CI}"}, {name: app, secret: "${ACME_APP}"}]}
authentication: {signatures: {signers: [{keyid: s, tenant: acme, algorithm: hmac-sha256, secret: "${SIGNER}"}]}}
"""
KEY, POD = "a-key-0123456789abcdef", {"POD_IP": "10.0.0.7"}
NEEDS = {
    "edge": {"PEPPER": KEY, "ADMIN_KEY": f"{KEY}1", "ACME_CI": f"{KEY}2", "ACME_APP": f"{KEY}3", "SIGNER": KEY * 2},
    "cache": {"CACHE_PASSWORD": "p", "MASTER_KEY": "ab" * 32},
    "ratelimit": {"LIMITS_PASSWORD": "p"},
    "provider": {"OPENAI_A": "a", "OPENAI_B": "b"},
    "audit": {},
}


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "openai-b"
    file.write_text("b")
    return TEXT.replace("/nowhere/openai-b", str(file))


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Loads as a pod that has these variables and no others."""

    def load_as(service, text, environment):
        for name in ("POD_IP", *(name for needs in NEEDS.values() for name in needs)):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load_own(service, text, tmp_path / "data", environment)

    return load_as


@pytest.mark.parametrize("service", SECTIONS)
def test_a_service_starts_with_its_own_secrets_alone(service, load, text):
    file = text if service == "provider" else TEXT
    own = load(service, file, {**NEEDS[service], **POD})
    assert (own.drain.delay, own.drain.grace) == (1.0, 20.0)
    assert own.snapshot.settings.mesh.cache.listen == "10.0.0.7"


@pytest.mark.parametrize(
    ("service", "missing", "line", "path"),
    [
        *[("edge", name, line, path) for name, line, path in [
            ("PEPPER", 1, "edge.key_pepper"),
            ("ADMIN_KEY", 1, "edge.admin.key"),
            ("ACME_CI", 11, "tenants[0].keys[0].secret"),
            ("SIGNER", 12, "authentication.signatures.signers[0].secret"),
        ]],
        ("cache", "CACHE_PASSWORD", 3, "cache.store"),
        ("cache", "MASTER_KEY", 4, "cache.encryption.master_key"),
        ("ratelimit", "LIMITS_PASSWORD", 5, "ratelimit.store"),
        ("provider", "OPENAI_A", 8, "providers[0].api_keys[0].key"),
        *[(service, "POD_IP", 6, "mesh.cache.listen") for service in SECTIONS],
    ],
)  # fmt: skip
def test_a_secret_that_is_needed_is_missed_by_line_and_path(service, missing, line, path, load, text):
    environment = {**NEEDS[service], **POD}
    del environment[missing]
    with pytest.raises(ConfigError) as raised:
        load(service, text, environment)
    assert str(raised.value) == f"line {line}: {path}: the environment has no {missing}"


def test_a_file_that_is_needed_is_missed(load):
    with pytest.raises(ConfigError, match=r"line 8: providers\[0\]\.api_keys\[1\]\.key: cannot read /nowhere/openai-b"):
        load("provider", TEXT, {**NEEDS["provider"], **POD})


def test_what_nobody_here_needs_may_be_a_number(load):
    text = "edge: {workers: '${WORKERS}', http: {port: '${PORT}'}}\ntenants: [{name: a}]"
    assert load("audit", text, {}).snapshot.settings.audit.store == "sqlite"
    with pytest.raises(ConfigError, match=r"edge\.workers: the environment has no WORKERS"):
        load("edge", text, {})


def test_what_is_wrong_elsewhere_is_told_all_the_same(load):
    """One file for all: a mistake in it is everybody's."""
    with pytest.raises(ConfigError, match=r"edge\.workers"):
        load("audit", "edge: {workers: many}", {})


@pytest.mark.parametrize("service", ["cache", "ratelimit", "provider", "audit"])
def test_only_the_edge_has_keys_and_only_it_makes_any(service, load, tmp_path):
    settings = load(service, "tenants: []", {}).snapshot.settings
    assert not settings.tenants
    assert not (tmp_path / "data").exists()


def test_a_process_holds_nothing_but_its_sections(load):
    environment = {**NEEDS["edge"], **NEEDS["cache"], **NEEDS["ratelimit"], "OPENAI_A": "canary", **POD}
    for service in ("edge", "cache", "ratelimit", "audit"):
        settings = load(service, TEXT, environment).snapshot.settings
        assert not any(key.key.reveal() for provider in settings.providers for key in provider.api_keys)
        assert bool(settings.tenants) == (service == "edge")
        assert (settings.cache.encryption is not None) == (service == "cache")


def test_pods_of_one_file_have_versions_of_one_text(load, text):
    """However different their secrets: that is how a call from one finds the same configuration in another."""
    versions = {service: load(service, text, {**NEEDS[service], **POD}).snapshot.version for service in SECTIONS}
    assert len({version[:8] for version in versions.values()}) == 1
    changed = load("edge", f"{text}telemetry: {{sample_ratio: 1}}", {**NEEDS["edge"], **POD}).snapshot.version
    assert changed[:8] != versions["edge"][:8]
    rotated = load("edge", text, {**NEEDS["edge"], **POD, "ACME_CI": f"{KEY}9"}).snapshot.version
    assert rotated[:8] == versions["edge"][:8]
    assert rotated != versions["edge"]
