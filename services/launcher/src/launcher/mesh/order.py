"""What `runestone mesh` was asked for. Pure."""

from dataclasses import dataclass, field
from pathlib import Path

from launcher.backoff import RestartPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyPorts:
    """Where Envoy listens: with TLS, without, for plain gRPC, and for its operators."""

    tls: int
    plain: int
    grpc: int
    admin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshOrder:
    """How many of what, on which ports (0: any), from which configuration file (None: every default), with data where. Without
    `with_postgres` audit records are in a file, and there is one audit-svc; with `with_tls` the parts show each other certificates."""

    config: Path | None
    data_dir: Path
    edges: int
    replicas: int
    ports: EnvoyPorts
    with_postgres: bool = True
    with_tls: bool = False
    log_level: str = "info"
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
