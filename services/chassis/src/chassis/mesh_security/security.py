"""How one process talks to the others: in the clear, or over TLS with certificates."""

from collections.abc import Callable, Sequence
from typing import Protocol

import grpc.aio

from chassis.config import ConfigError, Problem
from chassis.config.schema import Mesh, MeshCaller
from chassis.dialing import PLAINLY, Dial
from chassis.gate import OPEN_GATE, Gate
from chassis.logs import Logger
from chassis.metrics import Metrics


class Security(Protocol):
    """Both ends of a process's connections."""

    def bind(self, server: grpc.aio.Server, address: str) -> tuple[int, Gate]:
        """Lets `server` listen on `unix:/path` or `host:port`; the port, and who may call what there. Raises RuntimeError when the
        address cannot be had."""

    def dial(self, service: str) -> Dial:
        """How channels to `service` are opened."""


class NoSecurity:
    """In the clear, for one machine and private networks. Everybody who reaches a port may call."""

    def bind(self, server: grpc.aio.Server, address: str) -> tuple[int, Gate]:
        """Listens."""
        return server.add_insecure_port(address), OPEN_GATE

    def dial(self, service: str) -> Dial:  # noqa: ARG002  as the protocol has it
        """Every service in the same way."""
        return PLAINLY

    def __repr__(self) -> str:
        return "NoSecurity()"


def open_security(
    service: str,
    mesh: Mesh,
    *,
    metrics: Metrics,
    log: Logger,
    callers: Callable[[], Sequence[MeshCaller]] | None = None,
) -> Security:
    """As `mesh.tls` says, in the name of `service`; `callers` gives `mesh.callers` as they are now. Raises ConfigError for files that
    cannot be used."""
    if mesh.tls is None:
        return NoSecurity()
    # Loads cryptography, which most processes do without.
    from chassis.mesh_security.certificate import CertificateError  # noqa: PLC0415
    from chassis.mesh_security.mutual_tls import MutualTls  # noqa: PLC0415

    try:
        return MutualTls(service, mesh.tls, callers or (lambda: mesh.callers), metrics=metrics, log=log)
    except CertificateError as error:
        raise ConfigError([Problem(("mesh", "tls", error.setting), str(error))]) from error
