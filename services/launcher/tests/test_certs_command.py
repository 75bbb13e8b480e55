"""`runestone certs create`, and what `config check`, `doctor` and `up` say of certificates."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from typer.testing import CliRunner

from chassis.config import parse_settings
from chassis.mesh_security.issuing import Authority
from launcher.cli import app
from launcher.diagnosis import Verdict, check_mesh_certificates

EVERYBODY = {"edge", "cache", "ratelimit", "provider", "audit", "envoy", "operator"}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("RUNESTONE_CONFIG", "RUNESTONE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def create(*options: str) -> dict[str, bool]:
    """Which certificates were made anew, by name."""
    result = CliRunner().invoke(app, ["certs", "create", "--out", "certs", "--json", *options])
    assert result.exit_code == 0, result.output
    return {line["name"]: line["is_new"] for line in map(json.loads, result.output.splitlines())}


def read(path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def test_everybody_gets_a_certificate_that_only_its_owner_can_read() -> None:
    assert create() == dict.fromkeys(EVERYBODY, True)
    for name in EVERYBODY:
        files = sorted(Path("certs", name).iterdir())
        assert [file.name for file in files] == ["ca.crt", "tls.crt", "tls.key"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(Path("certs/authority/tls.key").stat().st_mode) == 0o600


def test_a_verifier_that_is_not_ours_accepts_them_for_both_ends() -> None:
    """As the path validation of RFC 5280 that the web's certificates go through."""
    create("--front-host", "localhost", "--front-host", "127.0.0.1")
    store = Store([read("certs/cache/ca.crt")])
    server = PolicyBuilder().store(store).build_server_verifier(x509.DNSName("cache.runestone.local"))
    assert server.verify(read("certs/cache/tls.crt"), [])
    assert PolicyBuilder().store(store).build_client_verifier().verify(read("certs/edge/tls.crt"), [])
    front = PolicyBuilder().store(store).build_server_verifier(x509.DNSName("localhost"))
    assert front.verify(read("certs/front/tls.crt"), [])


def test_good_ones_stay_and_what_is_missing_damaged_or_near_its_end_is_made() -> None:
    create("--front-host", "localhost")
    assert set(create("--front-host", "localhost").values()) == {False}
    Path("certs/cache/tls.key").unlink()
    Path("certs/edge/tls.crt").write_bytes(Path("certs/audit/tls.crt").read_bytes())
    old = Authority.read(Path("certs/authority/tls.crt").read_bytes(), Path("certs/authority/tls.key").read_bytes())
    issued = old.issue("envoy", "runestone.local", datetime.now(UTC) - timedelta(days=7), timedelta(days=10))
    Path("certs/envoy/tls.crt").write_bytes(issued.certificate)
    Path("certs/envoy/tls.key").write_bytes(issued.key)
    made = create("--front-host", "localhost", "--front-host", "10.0.0.1")
    assert {name for name, is_new in made.items() if is_new} == {"cache", "edge", "envoy", "front"}
    assert read("certs/authority/tls.crt") == old.certificate


def test_force_makes_certificates_anew_and_keeps_the_authority() -> None:
    create()
    authority, before = read("certs/authority/tls.crt"), read("certs/cache/tls.crt")
    assert set(create("--force").values()) == {True}
    assert read("certs/authority/tls.crt") == authority
    assert read("certs/cache/tls.crt").serial_number != before.serial_number


def test_a_new_authority_signs_everything_anew() -> None:
    create()
    for name in ("tls.crt", "tls.key"):
        Path("certs/authority", name).unlink()
    assert set(create().values()) == {True}


def test_names_days_and_trust_domain_are_as_asked() -> None:
    assert create("--name", "team-app", "--days", "30", "--trust-domain", "prod.example") == {"team-app": True}
    found = read("certs/team-app/tls.crt")
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://prod.example/runestone/team-app"]
    assert names.get_values_for_type(x509.DNSName) == ["team-app.prod.example"]
    assert timedelta(days=29) < found.not_valid_after_utc - datetime.now(UTC) < timedelta(days=31)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "A b"], "'A b' is no name that a certificate can have here"),
        (["--name", "../up"], "'../up' is no name that a certificate can have here"),
        (["--name", "authority"], "'authority' is no name"),
        (["--trust-domain", "Prod/"], "'Prod/' is no trust domain"),
    ],
)
def test_names_that_cannot_be_are_refused(options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["certs", "create", "--out", "certs", *options])
    assert result.exit_code == 1
    assert message in result.output
    assert not Path("certs").exists()


def test_an_authority_that_cannot_sign_is_not_replaced() -> None:
    create()
    Path("certs/authority/tls.key").write_text("broken")
    result = CliRunner().invoke(app, ["certs", "create", "--out", "certs"])
    assert result.exit_code == 1
    assert "certs/authority: not an authority that can sign; move it away" in result.output


CONFIG = """\
mesh:
  tls:
    cert: certs/{service}/tls.crt
    key: certs/{service}/tls.key
    ca: certs/{service}/ca.crt
"""


def test_config_check_says_which_file_is_wrong_and_why() -> None:
    create()
    Path("r.yaml").write_text(CONFIG)
    assert CliRunner().invoke(app, ["config", "check", "r.yaml"]).exit_code == 0
    Path("certs/cache/tls.key").write_bytes(Path("certs/edge/tls.key").read_bytes())
    Path("certs/audit/ca.crt").unlink()
    result = CliRunner().invoke(app, ["config", "check", "r.yaml"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "r.yaml: line 4: mesh.tls.key: certs/cache/tls.key: is not the key of certs/cache/tls.crt",
        "r.yaml: line 5: mesh.tls.ca: certs/audit/ca.crt: cannot be read: No such file or directory",
    ]


def test_up_does_not_start_with_certificates_that_cannot_be_used() -> None:
    """Before any part is started: one clear line for each."""
    create()
    Path("r.yaml").write_text(CONFIG)
    Path("certs/provider/tls.crt").write_bytes(Path("certs/audit/tls.crt").read_bytes())
    result = CliRunner().invoke(app, ["up", "--config", "r.yaml", "--data-dir", "d"])
    assert result.exit_code == 1
    assert "runestone: mesh.tls.key: certs/provider/tls.key: is not the key of certs/provider/tls.crt" in result.output


def test_the_doctor_warns_of_certificates_near_their_end() -> None:
    create("--days", "30")
    Path("certs/audit/tls.key").unlink()
    settings, now = parse_settings(CONFIG), datetime.now(UTC)
    verdicts = {found.name: found.verdict for found in check_mesh_certificates(settings, now)}
    assert verdicts["certificate mesh audit"] is Verdict.FAIL
    assert verdicts["certificate mesh cache"] is Verdict.OK
    later = {found.name: found.verdict for found in check_mesh_certificates(settings, now + timedelta(days=25))}
    assert later["certificate mesh cache"] is Verdict.WARN
