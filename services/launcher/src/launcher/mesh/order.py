"""What `runestone mesh` was asked for."""

from dataclasses import dataclass, field
from pathlib import Path

from launcher.backoff import RestartPolicy
from launcher.mesh.envoy_process import EnvoyPorts


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshOrder:
    """How many of what, on which ports (0: any), from which configuration file (None: every default), with data where."""

    config: Path | None
    data_dir: Path
    edges: int
    replicas: int
    ports: EnvoyPorts
    log_level: str = "info"
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
