"""From the topology and the configuration to the processes to run: each one's name, address and peers. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.config import Settings
from chassis.config.schema import Peer
from chassis.replicas import split_address
from launcher.topology import Node, list_stages

LOOPBACK = "127.0.0.1"
DEFAULT_PORTS = {"cache": 50051, "ratelimit": 50052, "provider": 50053, "audit": 50054}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One running copy of a service: `edge-0` of `edge`. Addresses are as `chassis.replicas.open_link` reads them."""

    name: str
    node: Node
    worker: int
    address: str
    peers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, callees before callers, and where each service is reached, the ones that run elsewhere included."""

    stages: list[list[Part]]
    addresses: dict[str, str]

    @property
    def parts(self) -> list[Part]:
        """Every process, callees first."""
        return [part for stage in self.stages for part in stage]


def make_plan(nodes: Sequence[Node], settings: Settings, run_dir: Path) -> Plan:
    """The processes of the mesh. A service with `mesh.<name>.endpoints` runs elsewhere: it is called there, not started.

    Raises LaunchError for a topology that cannot be.
    """
    addresses = {node.name: address_for_callers(node, settings, run_dir) for node in nodes if not node.has_door}
    stages = [
        [part for node in stage for part in _copies(node, settings, addresses, run_dir)] for stage in list_stages(nodes)
    ]
    return Plan(stages, addresses)


def _copies(node: Node, settings: Settings, addresses: dict[str, str], run_dir: Path) -> Iterator[Part]:
    if _peer(node, settings).endpoints:
        return
    peers = {name: addresses[name] for name in node.peers}
    for worker, name in enumerate(copy_names(node, settings)):
        listen = _peer(node, settings).listen
        address = socket_address(run_dir, name) if listen == "unix" else with_port(listen, node.name)
        yield Part(name=name, node=node, worker=worker, address=address, peers=peers)


def address_for_callers(node: Node, settings: Settings, run_dir: Path) -> str:
    """Where callers find the service: its endpoints, else where it listens on this machine."""
    peer = _peer(node, settings)
    if peer.endpoints:
        return join_endpoints(node.name, peer.endpoints)
    if peer.listen == "unix":
        return ",".join(socket_address(run_dir, name) for name in copy_names(node, settings))
    return as_loopback(with_port(peer.listen, node.name))


def find_peer(name: str, settings: Settings) -> str:
    """Where a peer is called: `mesh.<name>.endpoints`, or its default port on loopback."""
    endpoints = getattr(settings.mesh, name).endpoints
    return join_endpoints(name, endpoints) if endpoints else f"{LOOPBACK}:{DEFAULT_PORTS[name]}"


def copy_names(node: Node, settings: Settings) -> list[str]:
    """`edge-0`, `edge-1` for the edge's workers; `cache` for a service, `cache-0`, `cache-1` for its replicas."""
    if node.has_door:
        return [f"{node.name}-{number}" for number in range(settings.edge.workers)]
    replicas = _peer(node, settings).replicas
    return [f"{node.name}-{number}" for number in range(replicas)] if replicas > 1 else [node.name]


def join_endpoints(service: str, endpoints: Sequence[str]) -> str:
    """One address text for all of a service's endpoints, IP addresses and DNS names alike; `chassis.replicas` resolves the names and
    spreads calls over all that they stand for."""
    return ",".join(with_port(one, service) for endpoint in endpoints for one in split_address(endpoint))


def with_port(address: str, service: str) -> str:
    """`address` with the service's default port where it has none: `10.0.0.7` becomes `10.0.0.7:50051`."""
    if address.startswith("unix:") or service not in DEFAULT_PORTS:
        return address
    host_end = address.rfind("]") + 1
    return address if ":" in address[host_end:] else f"{address}:{DEFAULT_PORTS[service]}"


def as_loopback(address: str) -> str:
    """Where a server that listens on every address is found from the same machine."""
    host, _, port = address.rpartition(":")
    return {"0.0.0.0": f"127.0.0.1:{port}", "[::]": f"[::1]:{port}"}.get(host, address)  # noqa: S104  only compared


def socket_address(run_dir: Path, name: str) -> str:
    """The unix socket of one process."""
    return f"unix:{run_dir}/{name}.sock"


def _peer(node: Node, settings: Settings) -> Peer:
    return getattr(settings.mesh, node.name, None) or Peer()
