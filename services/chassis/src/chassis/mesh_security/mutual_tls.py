"""TLS 1.2 or later on every TCP connection of the mesh: both ends show a certificate, and both look at it.

The server's certificate follows its files (`chassis.server_credentials`). Unix sockets stay plain: their directory is private (0700).
"""

from collections.abc import Callable, Sequence

import grpc
import grpc.aio

from chassis.config.schema import MeshCaller, MeshTls
from chassis.dialing import Dial
from chassis.gate import OPEN_GATE, Gate
from chassis.logs import Logger
from chassis.mesh_security.access import Access
from chassis.mesh_security.certificate import Certificate, CertificateFiles, check_owner, read_certificate
from chassis.mesh_security.identity import dns_name
from chassis.mesh_security.identity_gate import IdentityGate
from chassis.mesh_security.kept_certificate import KeptCertificate
from chassis.mesh_security.secure_dial import SecureDial
from chassis.metrics import Metrics
from chassis.server_credentials import follow_credentials


class MutualTls:
    """Speaks in the name of `service`. Raises CertificateError for files that cannot be used, or that are another's.

    `callers` gives those that the configuration lets in beside the mesh's own; it is asked when a session is opened, and at each plain
    call.
    """

    def __init__(
        self, service: str, tls: MeshTls, callers: Callable[[], Sequence[MeshCaller]], *, metrics: Metrics, log: Logger
    ) -> None:
        self._service = service
        self._trust_domain = tls.trust_domain
        self._callers = callers
        reloads = metrics.counter(
            "tls_certificate_reloads", "Changed certificates, by what became of them", ("outcome",)
        )
        files = CertificateFiles.of(service, cert=tls.cert, key=tls.key, ca=tls.ca)
        self._certificate = KeptCertificate(
            files, self._read_own, log, note=lambda outcome: reloads.labels(outcome).inc()
        )
        expiry = metrics.gauge("tls_certificate_expiry_timestamp_seconds", "When the certificate in use ends")
        expiry.set_function(self._find_expiry)
        self._refused = metrics.counter(
            "mesh_calls_refused", "Calls of the mesh that their caller may not make", ("identity", "method")
        )
        self._gate = IdentityGate(self._find_access, tls.trust_domain, log, self._count_refusal)
        self._known: tuple[Sequence[MeshCaller], Access] | None = None
        self._serving: list[grpc.ServerCredentials] = []  # gRPC calls back into them as long as the server lives

    def bind(self, server: grpc.aio.Server, address: str) -> tuple[int, Gate]:
        """Listens; on TCP to callers with a certificate of our authorities only. Raises RuntimeError when the address cannot be had."""
        if address.startswith("unix:"):
            return server.add_insecure_port(address), OPEN_GATE
        credentials = serve_with(self._certificate)
        self._serving.append(credentials)
        return server.add_secure_port(address, credentials), self._gate

    def dial(self, service: str) -> Dial:
        """Channels on which `service`, and nobody else, answers."""
        return SecureDial(self._certificate, dns_name(service, self._trust_domain))

    def _read_own(self, files: CertificateFiles) -> Certificate:
        found = read_certificate(files)
        check_owner(found, files, self._service, self._trust_domain)
        return found

    def _find_access(self) -> Access:
        """Made anew when the configuration has changed."""
        callers = self._callers()
        if self._known is None or self._known[0] is not callers:
            self._known = callers, Access(self._service, self._trust_domain, callers)
        return self._known[1]

    def _find_expiry(self) -> float:
        return self._certificate.current.expires_at.timestamp()

    def _count_refusal(self, identity: str, method: str) -> None:
        self._refused.labels(identity, method).inc()

    def __repr__(self) -> str:
        return f"MutualTls({self._service}, {self._certificate!r})"


def serve_with(certificate: KeptCertificate) -> grpc.ServerCredentials:
    """Credentials that follow the certificate. To be kept as long as the server that listens with them."""
    return follow_credentials(lambda: certificate.current, _configure, verifies_callers=True)


def _configure(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    pair = certificate.key, certificate.chain
    return grpc.ssl_server_certificate_configuration([pair], root_certificates=certificate.authorities)
