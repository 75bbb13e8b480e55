"""Certificates for trials and development: `DIR/<name>/{tls.crt,tls.key,ca.crt}`, as cert-manager and Kubernetes name them, and the
authority that signed them, `DIR/authority/`."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from chassis.mesh_security.certificate import CertificateError, CertificateFiles, check_owner, read_certificate
from chassis.mesh_security.issuing import Authority, Issued
from launcher.errors import LaunchError

NAMES = ("edge", "cache", "ratelimit", "provider", "audit", "envoy", "operator")
AUTHORITY, FRONT = "authority", "front"
AUTHORITY_LIFE = timedelta(days=3650)
LEAST = 3  # a certificate with less than a third of its life left is made anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make: certificates for `names`, and for the front door where it is reached under `front_hosts`. With `is_forced` also
    where there are good ones."""

    folder: Path
    trust_domain: str
    names: Sequence[str]
    front_hosts: Sequence[str]
    life: timedelta
    is_forced: bool


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one certificate."""

    name: str
    folder: str
    is_new: bool
    expires_at: str


def create_certificates(order: Order) -> list[Made]:
    """Makes what is missing, damaged, another authority's or near its end. Raises LaunchError when a file cannot be written, or the
    authority that is there cannot be used."""
    try:
        return _Folder(order, datetime.now(UTC)).fill()
    except OSError as error:
        raise LaunchError(f"{error.filename or order.folder}: {error.strerror or error}") from error


class _Folder:
    def __init__(self, order: Order, now: datetime) -> None:
        self._order = order
        self._now = now
        self._authority = self._find_authority()

    def fill(self) -> list[Made]:
        authority, order = self._authority, self._order

        def issue(name: str) -> Issued:
            return authority.issue(name, order.trust_domain, self._now, order.life)

        def check(name: str, files: CertificateFiles) -> None:
            check_owner(read_certificate(files, self._now), files, name, order.trust_domain)

        def check_front(_name: str, files: CertificateFiles) -> None:
            found = read_certificate(files, self._now)
            if missing := [host for host in order.front_hosts if host not in found.hosts]:
                raise CertificateError("cert", files.cert, f"is not for {', '.join(missing)}")

        made = [self._keep(name, issue, check) for name in order.names]
        if order.front_hosts:
            front = authority.issue_front(order.front_hosts, self._now, order.life)
            made.append(self._keep(FRONT, lambda _name: front, check_front))
        return made

    def _keep(self, name: str, issue: Callable[[str], Issued], check: Callable[[str, CertificateFiles], None]) -> Made:
        folder = self._order.folder / name
        files = CertificateFiles(cert=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")
        is_new = self._order.is_forced or not self._is_good(name, files, check)
        if is_new:
            issued = issue(name)
            _write(files.ca, self._authority.pem.certificate)
            _write(files.key, issued.key)
            _write(files.cert, issued.certificate)
        expires_at = read_certificate(files, self._now).expires_at
        return Made(name, str(folder), is_new, expires_at.isoformat())

    def _is_good(self, name: str, files: CertificateFiles, check: Callable[[str, CertificateFiles], None]) -> bool:
        try:
            check(name, files)
            leaf = x509.load_pem_x509_certificate(files.cert.read_bytes())
            leaf.verify_directly_issued_by(self._authority.certificate)
        except (CertificateError, ValueError, TypeError, InvalidSignature):
            return False
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        has_authority = files.ca.read_bytes() == self._authority.pem.certificate
        return has_authority and (leaf.not_valid_after_utc - self._now) * LEAST >= life

    def _find_authority(self) -> Authority:
        """The one that is there while it outlives what it signs, else a new one."""
        folder = self._order.folder / AUTHORITY
        if (folder / "tls.key").exists():
            try:
                found = Authority.read((folder / "tls.crt").read_bytes(), (folder / "tls.key").read_bytes())
            except (ValueError, TypeError) as error:
                raise LaunchError(f"{folder}: not an authority that can sign; move it away: {error}") from error
            if found.certificate.not_valid_after_utc > self._now + self._order.life:
                return found
        made = Authority.create(self._now, max(AUTHORITY_LIFE, 2 * self._order.life))
        _write(folder / "tls.key", made.pem.key)
        _write(folder / "tls.crt", made.pem.certificate)
        return made


def _write(path: Path, text: bytes) -> None:
    """Replaces a file in one step; nobody but its owner reads it (0600)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    Path(draft).replace(path)
