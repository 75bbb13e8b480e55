"""What a first start finds in place: a model, providers of the environment, a tenant whose key only its file holds."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chassis.config import Catalog, encode, hash_secrets, parse_settings
from chassis.keys import hash_key, is_mistyped
from launcher.configuration import find_config, find_data_dir, load, preview, read_text
from launcher.defaults import add_providers, model_to_try
from launcher.errors import LaunchError
from launcher.keyfiles import ensure_key, read_key


def route(settings, model):
    found = Catalog(settings.models, settings.providers).find_route(model)
    return [(target.provider, target.model) for target in found.targets] if found else None


def test_without_a_file_the_simulated_model_answers():
    assert route(add_providers(parse_settings(""), {}), "simulated") == [("sim", "simulated")]


@pytest.mark.parametrize(
    "text",
    [
        "providers: [{name: openai, kind: openai, api_key: sk-o}]",
        "providers: [{name: mine, kind: simulated}]\ntenants: [{name: acme}]",
    ],
)
def test_a_file_with_providers_of_its_own_gets_no_other(text):
    """Any key of a real tenant could keep connections busy with `sim/latency=3600s`."""
    written = parse_settings(text)
    assert add_providers(written, {}) == written
    assert route(written, "sim/latency=3600s") is None


def test_a_file_that_names_the_simulated_provider_gets_its_model():
    text = "providers: [{name: sim, kind: simulated}, {name: openai, kind: openai, api_key: sk-o}]"
    assert route(add_providers(parse_settings(text), {}), "simulated") == [("sim", "simulated")]


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("", "simulated"),
        ("providers: [{name: sim, kind: simulated}]", "simulated"),
        ("providers: [{name: a, kind: openai}]\nmodels: [{name: a/*}, {name: a/one}, {name: a/two}]", "a/one"),
        ("providers: [{name: a, kind: openai}]\nmodels: [{name: a/*}]", "a/<model>"),
    ],
)
def test_the_model_to_try_is_one_that_answers(text, model):
    assert model_to_try(add_providers(parse_settings(text), {})) == model


def test_credentials_of_the_environment_bring_their_makers():
    settings = add_providers(parse_settings(""), {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"})
    assert route(settings, "openai/gpt-4o") == [("openai", "gpt-4o")]
    assert route(settings, "anthropic/claude-x") == [("anthropic", "claude-x")]
    assert {"openai/*", "anthropic/*"} <= {model.name for model in settings.models}


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": " "}])
def test_an_empty_credential_brings_nothing(environment):
    assert [provider.name for provider in add_providers(parse_settings(""), environment).providers] == ["sim"]


def test_what_the_file_defines_stays_as_it_is():
    text = """
    providers:
      - {name: openai, kind: openai_compatible, base_url: "http://127.0.0.1:1/v1"}
      - {name: sim, kind: openai_compatible, base_url: "http://127.0.0.1:2/v1"}
    """
    written = parse_settings(text)
    assert add_providers(written, {"OPENAI_API_KEY": "sk-o"}) == written


def test_the_simulated_model_of_the_file_keeps_its_targets():
    text = """
    providers: [{name: mine, kind: simulated}]
    models: [{name: simulated, targets: [{provider: mine, model: m}]}]
    """
    assert route(add_providers(parse_settings(text), {}), "simulated") == [("mine", "m")]


def test_the_first_start_makes_a_key_that_only_its_file_holds(tmp_path):
    where = tmp_path / "data"
    made = load("", where, {})
    key = read_key(where / "development.key")
    (tenant,) = made.settings.tenants
    assert (tenant.name, tenant.keys[0].name, tenant.keys[0].hash) == ("development", "development", hash_key(key))
    assert key.encode() not in encode(made.settings, reveal=True)
    assert made.key_file == where / "development.key"


@pytest.mark.parametrize("name", ["development.key", "admin.key"])
def test_key_files_are_for_their_owner_only(tmp_path, name):
    load("", tmp_path / "data", {})
    assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert not is_mistyped(read_key(tmp_path / "data" / name))


def test_a_key_file_holds_the_key_and_nothing_else(tmp_path):
    """`open(...).read()` is a key that an HTTP header takes."""
    load("", tmp_path, {})
    for name in ("development.key", "admin.key"):
        assert (tmp_path / name).read_text() == read_key(tmp_path / name)


def test_a_key_file_of_an_earlier_version_is_still_read(tmp_path):
    """It ended its line."""
    key = ensure_key(tmp_path / "development.key")
    (tmp_path / "development.key").write_text(f"{key}\n")
    assert read_key(tmp_path / "development.key") == key


def test_the_next_start_keeps_the_key(tmp_path):
    assert load("", tmp_path, {}) == load("", tmp_path, {})


def test_starts_at_the_same_time_get_the_same_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: ensure_key(tmp_path / "k"), range(16)))
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_a_pepper_is_part_of_the_hash(tmp_path):
    made = load("edge: {key_pepper: a-pepper-of-some-length}", tmp_path, {})
    expected = hash_key(read_key(tmp_path / "development.key"), "a-pepper-of-some-length")
    assert made.settings.tenants[0].keys[0].hash == expected


WITH_TENANT = "tenants: [{name: acme, keys: [{name: ci, secret: 0123456789abcdef}]}]"


def test_a_file_with_tenants_needs_no_key_but_the_admins(tmp_path):
    made = load(WITH_TENANT, tmp_path, {})
    assert [tenant.name for tenant in made.settings.tenants] == ["acme"]
    assert made.key_file is None
    assert [path.name for path in tmp_path.iterdir()] == ["admin.key"]


def test_a_service_on_its_own_takes_the_admin_key_that_is_there_and_makes_none(tmp_path):
    assert load(WITH_TENANT, tmp_path / "d", {}, makes_admin_key=False).settings.edge.admin.key_hash is None
    assert not (tmp_path / "d").exists()
    key = ensure_key(tmp_path / "admin.key")
    made = load(WITH_TENANT, tmp_path, {}, makes_admin_key=False)
    assert made.settings.edge.admin.key_hash == hash_key(key)


@pytest.mark.parametrize("pepper", [None, "a-pepper-of-some-length"])
def test_what_is_published_holds_no_key_but_hashes(tmp_path, pepper):
    text = f"""
    edge: {{admin: {{key: the-admins-own-key-0}}, key_pepper: {pepper or "null"}}}
    tenants:
      - name: acme
        keys:
          - {{name: ci, secret: a-secret-of-acme-00, previous: {{secret: an-older-one-of-acme, until: 2030-01-01T00:00:00Z}}}}
    """
    settings = load(text, tmp_path, {}).settings
    published = encode(settings, reveal=True)
    for secret in ("the-admins-own-key-0", "a-secret-of-acme-00", "an-older-one-of-acme"):
        assert secret.encode() not in published
        assert hash_key(secret, pepper).encode() in published
    assert list(tmp_path.iterdir()) == []


def test_a_tenants_key_is_not_the_admin_key(tmp_path):
    (tmp_path / "admin.key").write_text("0123456789abcdef")
    with pytest.raises(LaunchError, match=r"admin\.key: a tenant's key is the same key as the admin key"):
        load(WITH_TENANT, tmp_path, {})


@pytest.mark.parametrize("text", ["", "short", "two words that are long enough", "rsk_" + "0" * 49])
def test_a_file_without_a_key_is_refused_and_not_shown(tmp_path, text):
    (tmp_path / "development.key").write_text(text)
    with pytest.raises(LaunchError, match="does not hold a key") as raised:
        load("", tmp_path, {})
    assert not text or text not in str(raised.value)


def test_a_preview_writes_nothing(tmp_path):
    assert preview("", tmp_path / "data", {}).tenants == []
    assert not (tmp_path / "data").exists()
    made = load("", tmp_path / "data", {})
    assert hash_secrets(preview("", tmp_path / "data", {})).tenants == made.settings.tenants


def test_the_option_wins_over_the_environment_and_that_over_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(None, {}) is None
    for name in ("runestone.yaml", "env.yaml", "option.yaml"):
        (tmp_path / name).touch()
    assert find_config(None, {}).name == "runestone.yaml"
    assert find_config(None, {"RUNESTONE_CONFIG": "env.yaml"}).name == "env.yaml"
    assert find_config(tmp_path / "option.yaml", {"RUNESTONE_CONFIG": "env.yaml"}).name == "option.yaml"
    assert find_data_dir(None, {"RUNESTONE_DATA_DIR": "there"}).name == "there"
    assert find_data_dir(None, {}).name == ".runestone"


def test_a_named_file_that_is_not_there_is_an_error(tmp_path):
    for name in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(LaunchError, match="there is no configuration file"):
            find_config(None, {"RUNESTONE_CONFIG": str(name)})


def test_a_pipe_is_a_file():
    """`--config <(generate)`."""
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe:
        pipe.write("edge: {workers: 3}")
        pipe.close()
        path = find_config(Path(f"/dev/fd/{reading}"), {})
        assert parse_settings(read_text(path)).edge.workers == 3
