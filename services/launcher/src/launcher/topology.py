"""Which services make the mesh and who calls whom: one table, started all at once, stopped callers first."""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from launcher.errors import LaunchError


@dataclass(frozen=True, slots=True)
class Node:
    """One service: its name, its module (`python -m`), the services it calls, and whether it has the HTTP door.

    The one with the door runs as `edge.workers` processes.
    """

    name: str
    module: str
    peers: tuple[str, ...] = ()
    has_door: bool = False


TOPOLOGY = (
    Node("cache", "cache_svc"),
    Node("ratelimit", "ratelimit_svc"),
    Node("provider", "provider_svc", peers=("cache",)),
    Node("audit", "audit_svc"),
    Node("edge", "gateway_edge", peers=("cache", "ratelimit", "provider", "audit"), has_door=True),
)


def list_stages(nodes: Sequence[Node]) -> list[list[Node]]:
    """The nodes in stages: each stage calls only earlier ones, so that stopping the last stage first loses no call.

    Raises LaunchError when services call each other in a circle, or one that does not exist.
    """
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if unknown := set(node.peers) - by_name.keys():
            raise LaunchError(f"{node.name} calls {', '.join(sorted(unknown))}, which the topology does not have")
    sorter = TopologicalSorter({node.name: node.peers for node in nodes})
    try:
        sorter.prepare()
    except CycleError as error:
        raise LaunchError(f"services call each other in a circle: {' -> '.join(error.args[1])}") from error
    return [[by_name[name] for name in stage] for stage in _drain(sorter)]


def _drain(sorter: "TopologicalSorter[str]") -> list[tuple[str, ...]]:
    stages = []
    while sorter.is_active():
        stages.append(sorter.get_ready())
        sorter.done(*stages[-1])
    return stages
