"""Files that cannot be used, each with its path and reason; and what stays in use when they change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from chassis.logs import get_logger
from chassis.mesh_security.certificate import CertificateError, check_owner, read_certificate
from chassis.mesh_security.kept_certificate import KeptCertificate

LOG = get_logger("test")


def test_a_certificate_is_read_with_its_names_and_end(folder: Any) -> None:
    found = read_certificate(folder.files("cache"))
    assert found.uris == ("spiffe://runestone.local/runestone/cache",)
    assert found.hosts == ("cache.runestone.local",)
    assert timedelta(days=9) < found.expires_at - datetime.now(UTC) < timedelta(days=11)
    check_owner(found, folder.files("cache"), "cache", "runestone.local")


def encrypt(folder: Any) -> None:
    key = serialization.load_pem_private_key((folder.path / "cache/tls.key").read_bytes(), None)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    folder.write("cache", "tls.key", text)


DAMAGE = {
    "no certificate": (lambda f: (f.path / "cache/tls.crt").unlink(), "cert", "cannot be read: No such file"),
    "no key": (lambda f: (f.path / "cache/tls.key").unlink(), "key", "cannot be read: No such file"),
    "no authority": (lambda f: (f.path / "cache/ca.crt").unlink(), "ca", "cannot be read: No such file"),
    "empty": (lambda f: f.write("cache", "tls.crt", b""), "cert", "holds no certificate in PEM"),
    "garbage": (lambda f: f.write("cache", "ca.crt", b"\xff\x00"), "ca", "holds no certificate in PEM"),
    "half": (
        lambda f: f.write("cache", "tls.crt", (f.path / "cache/tls.crt").read_bytes()[:300]),
        "cert",
        "holds no certificate in PEM",
    ),
    "key of another": (
        lambda f: f.write("cache", "tls.key", (f.path / "edge/tls.key").read_bytes()),
        "key",
        "is not the key of",
    ),
    "no key in it": (lambda f: f.write("cache", "tls.key", b"key"), "key", "holds no private key in PEM"),
    "encrypted": (encrypt, "key", "is encrypted"),
    "expired": (lambda f: f.issue("cache", now=datetime.now(UTC) - timedelta(days=11)), "cert", "expired on"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_cannot_be_used_is_told_with_its_path(folder: Any, name: str) -> None:
    damage, setting, reason = DAMAGE[name]
    damage(folder)
    with pytest.raises(CertificateError) as raised:
        read_certificate(folder.files("cache"))
    assert raised.value.setting == setting
    assert str(raised.value).startswith(f"{getattr(folder.files('cache'), setting)}: {reason}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"says": "edge"}, "it says edge"), ({"domain": "other.local"}, "it says spiffe://other.local/runestone/cache")],
)
def test_a_certificate_of_somebody_else_is_refused(folder: Any, change: dict[str, str], reason: str) -> None:
    """Nobody would answer to it, and it would be refused by everybody: better to say so at start."""
    folder.issue("cache", **change)
    files = folder.files("cache")
    with pytest.raises(CertificateError, match=reason):
        check_owner(read_certificate(files), files, "cache", "runestone.local")


def test_a_change_is_in_use_at_the_next_look(folder: Any) -> None:
    outcomes: list[str] = []
    kept = KeptCertificate(folder.files("cache"), read_certificate, LOG, outcomes.append)
    first = kept.current
    assert kept.current is first
    folder.issue("cache")
    assert kept.current is not first and kept.current is kept.current
    assert outcomes == ["reloaded"]


@pytest.mark.parametrize("name", list(DAMAGE))
def test_a_change_that_cannot_be_used_leaves_the_one_before(folder: Any, name: str) -> None:
    outcomes: list[str] = []
    kept = KeptCertificate(folder.files("cache"), read_certificate, LOG, outcomes.append)
    first = kept.current
    DAMAGE[name][0](folder)
    assert kept.current is first and kept.current is first
    assert outcomes[0] == "refused" and len(set(outcomes)) == 1
    folder.issue("cache")
    assert kept.current is not first
    assert outcomes[-1] == "reloaded"


def test_a_file_that_was_touched_is_no_change(folder: Any) -> None:
    outcomes: list[str] = []
    kept = KeptCertificate(folder.files("cache"), read_certificate, LOG, outcomes.append)
    first = kept.current
    folder.write("cache", "tls.crt", (folder.path / "cache/tls.crt").read_bytes())
    assert kept.current is first
    assert outcomes == []


def test_a_turned_link_is_a_change(folder: Any) -> None:
    """Kubernetes mounts a secret so: `tls.crt -> ..data/tls.crt`, `..data -> ..2026`, and turns the second link."""
    folder.issue("new", says="cache")
    link = folder.path / "linked"
    link.symlink_to("cache")
    files = folder.files("linked")
    kept = KeptCertificate(files, read_certificate, LOG)
    first = kept.current
    (folder.path / "turned").symlink_to("new")
    (folder.path / "turned").replace(link)
    assert kept.current is not first
