"""Which processes make up the mesh, where each listens, and how it is started. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from launcher.envoy.endpoints import Endpoint
from launcher.topology import TOPOLOGY

LOOPBACK = "127.0.0.1"
EDGE = "edge"
SERVICES = tuple(node.name for node in TOPOLOGY)
EDGE_PORTS = ("http", "websocket", "admin", "grpc")  # as `serve --port` names them


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshPart:
    """One replica of a service: `cache-1` of `cache`. `ports` by name: an edge has four, a service `listen`."""

    service: str
    number: int
    ports: Mapping[str, int] = field(hash=False)

    @property
    def name(self) -> str:
        """As `mesh.json` and the commands call it."""
        return f"{self.service}-{self.number}"

    @property
    def address(self) -> str:
        """Where it is called: by gRPC, an edge by HTTP."""
        return f"{LOOPBACK}:{self.ports['http' if self.service == EDGE else 'listen']}"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all parts have in common on their command lines."""

    command: Sequence[str]
    config: Path
    data_dir: Path
    log_level: str


def plan_part(service: str, number: int, ports: Iterator[int]) -> MeshPart:
    """A part that listens on the next of `ports`."""
    names = EDGE_PORTS if service == EDGE else ("listen",)
    return MeshPart(service=service, number=number, ports={name: next(ports) for name in names})


def plan_parts(replicas: Mapping[str, int], ports: Iterator[int]) -> list[MeshPart]:
    """All parts, callees first; `replicas` says how many there are of each service."""
    return [plan_part(service, number, ports) for service in SERVICES for number in range(replicas[service])]


def write_command(part: MeshPart, ground: Ground) -> list[str]:
    """`runestone serve`, as a pod runs it."""
    listening = (
        [word for name, port in part.ports.items() for word in ("--port", f"{name}={port}")]
        if part.service == EDGE
        else ["--listen", part.address]
    )
    return [
        *(*ground.command, "serve", part.service, *listening),
        *("--config", str(ground.config), "--data-dir", str(ground.data_dir)),
        *("--worker", str(part.number), "--log-level", ground.log_level, "--lifeline"),
    ]


def list_clusters(parts: Sequence[MeshPart]) -> dict[str, list[Endpoint]]:
    """The endpoints that Envoy has of each of its clusters."""
    clusters: dict[str, list[Endpoint]] = {name: [] for name in ("edge", "door", *SERVICES)}
    for part in parts:
        if part.service == EDGE:
            ports = part.ports
            clusters["edge"].append(Endpoint(host=LOOPBACK, port=ports["http"], health_port=ports["admin"]))
            clusters["door"].append(Endpoint(host=LOOPBACK, port=ports["grpc"]))
        else:
            clusters[part.service].append(Endpoint(host=LOOPBACK, port=part.ports["listen"]))
    return clusters


def list_addresses(parts: Sequence[MeshPart]) -> dict[str, str]:
    """Each part's address by its name, and of each service those of all its parts, with commas between."""
    whole: dict[str, list[str]] = {}
    for part in parts:
        if part.service != EDGE:
            whole.setdefault(part.service, []).append(part.address)
    return {name: ",".join(addresses) for name, addresses in whole.items()} | {
        part.name: part.address for part in parts if part.service != EDGE
    }
