"""A certificate with its key and the authorities that peers are verified by, read from PEM files and checked before use."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.mesh_security.identity import dns_name, read_identity

PLACE = "{service}"  # in a path: the name of who reads it
WILDCARD = "*."


class CertificateError(Exception):
    """A file that cannot be used. `setting` is the setting that names it: cert, key or ca."""

    def __init__(self, setting: str, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.setting = setting


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Where the PEM files are."""

    cert: Path
    key: Path
    ca: Path

    @classmethod
    def of(cls, service: str, *, cert: str, key: str, ca: str) -> "CertificateFiles":
        """Those of `service`, which `{service}` in a path stands for."""
        return cls(
            **{name: Path(text.replace(PLACE, service)) for name, text in (("cert", cert), ("key", key), ("ca", ca))}
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return self.cert, self.key, self.ca


class Names(NamedTuple):
    """A certificate's alternative names."""

    uris: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What connections are made with, as PEM. `uris`, `dns_names` and `addresses` are the certificate's own; `expires_at` is its end."""

    chain: bytes
    key: bytes
    authorities: bytes
    uris: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    expires_at: datetime

    @property
    def hosts(self) -> tuple[str, ...]:
        """Under which names and addresses it is a server's."""
        return *self.dns_names, *self.addresses

    def __repr__(self) -> str:
        return f"Certificate({', '.join(self.uris or self.dns_names)}, until {self.expires_at:%Y-%m-%dT%H:%M:%SZ})"


def read_certificate(files: CertificateFiles, now: datetime | None = None) -> Certificate:
    """Raises CertificateError, with its reason, for a file that is missing or wrong, a key that is another's, and a certificate that
    is over."""
    chain, key, authorities = (_read(name, getattr(files, name)) for name in ("cert", "key", "ca"))
    leaf = _parse("cert", files.cert, chain)
    _parse("ca", files.ca, authorities)
    _check_key(files, key, leaf)
    if (now or datetime.now(UTC)) >= leaf.not_valid_after_utc:
        raise CertificateError("cert", files.cert, f"expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    names = read_names(leaf)
    return Certificate(
        chain=chain,
        key=key,
        authorities=authorities,
        uris=names.uris,
        dns_names=names.dns_names,
        addresses=names.addresses,
        expires_at=leaf.not_valid_after_utc,
    )


def read_names(leaf: x509.Certificate) -> Names:
    """Whole, whatever stands in them; none where they cannot be read."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return Names((), (), ())
    return Names(
        uris=tuple(found.get_values_for_type(x509.UniformResourceIdentifier)),
        dns_names=tuple(found.get_values_for_type(x509.DNSName)),
        addresses=tuple(map(str, found.get_values_for_type(x509.IPAddress))),
    )


def check_owner(certificate: Certificate, files: CertificateFiles, service: str, trust_domain: str) -> None:
    """Raises CertificateError for a certificate that is not `service`'s: nobody would take it for that."""
    identity = read_identity(certificate.uris, certificate.dns_names, trust_domain)
    if identity != service:
        who = identity or "nobody that can be named"
        raise CertificateError("cert", files.cert, f"is not the certificate of {service}: it says {who}")
    expected = dns_name(service, trust_domain)
    if not {expected, WILDCARD + trust_domain} & set(certificate.dns_names):
        raise CertificateError("cert", files.cert, f"lacks the DNS name {expected}, which callers expect")


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(name, path, f"cannot be read: {error.strerror}") from error


def _parse(name: str, path: Path, text: bytes) -> x509.Certificate:
    """The first of its certificates."""
    try:
        return x509.load_pem_x509_certificates(text)[0]
    except ValueError as error:
        raise CertificateError(name, path, "holds no certificate in PEM, or a broken one") from error


def _check_key(files: CertificateFiles, text: bytes, leaf: x509.Certificate) -> None:
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError as error:
        raise CertificateError("key", files.key, "is encrypted, and nobody is there to ask for its password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("key", files.key, "holds no private key in PEM, or a broken one") from error
    ours, its = (
        one.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for one in (key.public_key(), leaf.public_key())
    )
    if ours != its:
        raise CertificateError("key", files.key, f"is not the key of {files.cert}")
