"""A certificate authority of one's own, for trials, development and tests. In production something keeps the authority's key better:
cert-manager, SPIRE, a company's own."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis.mesh_security.identity import dns_name, spiffe_id

EARLIER = timedelta(minutes=5)  # clocks differ
BOTH_ENDS = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
SERVER_ONLY = (ExtendedKeyUsageOID.SERVER_AUTH,)

PrivateKey = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates: ECDSA on P-256."""

    certificate: x509.Certificate
    key: PrivateKey

    @classmethod
    def create(cls, now: datetime, life: timedelta) -> "Authority":
        """A new one, that signs itself."""
        key, name = _new_key(), _name("Runestone development authority")
        builder = _begin(name, name, key, now, life)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> "Authority":
        """One that was kept. Raises ValueError for what is none."""
        private = serialization.load_pem_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("its key is not on an elliptic curve")  # noqa: TRY004  as what else is wrong with it
        return cls(x509.load_pem_x509_certificate(certificate), private)

    @property
    def pem(self) -> Issued:
        """To keep it."""
        return Issued(certificate=self.certificate.public_bytes(Encoding.PEM), key=_pem_of(self.key))

    def issue(self, service: str, trust_domain: str, now: datetime, life: timedelta) -> Issued:
        """A service's: good for both ends of a connection."""
        names = [
            x509.UniformResourceIdentifier(spiffe_id(service, trust_domain)),
            x509.DNSName(dns_name(service, trust_domain)),
        ]
        return self.sign(service, names, BOTH_ENDS, now, life)

    def issue_front(self, hosts: Sequence[str], now: datetime, life: timedelta) -> Issued:
        """What clients from outside are shown under `hosts`, names and addresses."""
        return self.sign(hosts[0], [_general_name(host) for host in hosts], SERVER_ONLY, now, life)

    def sign(
        self,
        subject: str,
        names: Sequence[x509.GeneralName],
        uses: Sequence[x509.ObjectIdentifier],
        now: datetime,
        life: timedelta,
    ) -> Issued:
        """A certificate for whoever is called `names`."""
        key = _new_key()
        builder = _begin(_name(subject), self.certificate.subject, key, now, life)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = builder.add_extension(authority, critical=False).sign(self.key, hashes.SHA256())
        return Issued(certificate=certificate.public_bytes(Encoding.PEM), key=_pem_of(key))


def _begin(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(now - EARLIER).not_valid_after(now + life)
    )
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _new_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem_of(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
