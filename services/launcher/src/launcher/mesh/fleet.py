"""The running processes of the mesh: kept alive, restarted in order, more or fewer of them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chassis.clock import SystemClock
from chassis.logs import get_logger
from launcher.backoff import RestartPolicy
from launcher.child import Child, Command
from launcher.errors import LaunchError
from launcher.mesh.parts import EDGE, MeshPart

MARGIN = 5.0  # seconds beyond its delay and grace that a part has to close what it opened


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOrder:
    """How parts are started and stopped. `patience` is in seconds; `on_change` hears of the parts that there are now, `on_loss` of one
    that keeps ending."""

    command_of: Callable[[MeshPart], Sequence[str]]
    plan: Callable[[str, int], MeshPart]
    patience: float
    restarts: RestartPolicy
    on_change: Callable[[Sequence[MeshPart]], None]
    on_loss: Callable[[LaunchError], None]


class Fleet:
    """The parts and their processes. A part that is started again listens where it did before."""

    def __init__(self, parts: Sequence[MeshPart], order: FleetOrder) -> None:
        self._order = order
        self._children = {part: self._make_child(part) for part in parts}
        self._turn = asyncio.Lock()

    @property
    def parts(self) -> list[MeshPart]:
        """Those that there are, in the order in which they came."""
        return list(self._children)

    def pid(self, part: MeshPart) -> int | None:
        """Its process's id; None while it has none."""
        return self._children[part].pid

    def start(self) -> None:
        """Starts all, side by side."""
        for child in self._children.values():
            child.start()

    async def restart(self, part: MeshPart) -> None:
        """Stops it as Kubernetes would, and starts its successor; returns when that is started, not yet ready."""
        async with self._turn:
            await self._children[part].stop(self._order.patience)
            self._children[part] = child = self._make_child(part)
            child.start()

    async def scale(self, service: str, replicas: int) -> None:
        """Starts further replicas of `service`, or stops the last ones."""
        async with self._turn:
            there = [part for part in self._children if part.service == service]
            for number in range(len(there), replicas):
                part = self._order.plan(service, number)
                self._children[part] = child = self._make_child(part)
                child.start()
            leaving = there[replicas:]
            await asyncio.gather(*(self._children[part].stop(self._order.patience) for part in leaving))
            for part in leaving:
                del self._children[part]
            self._order.on_change(self.parts)

    async def stop(self) -> None:
        """Stops edges, then what they call."""
        for callers in (True, False):
            stage = [child for part, child in self._children.items() if (part.service == EDGE) is callers]
            await asyncio.gather(*(child.stop(self._order.patience) for child in stage))

    def kill(self) -> None:
        """Ends all now."""
        for child in self._children.values():
            child.kill()

    def _make_child(self, part: MeshPart) -> Child:
        command = Command(name=part.name, arguments=self._order.command_of(part))
        return make_child(command, self._order.restarts, self._order.on_loss)

    def __repr__(self) -> str:
        return f"Fleet({list(self._children.values())})"


def make_child(command: Command, restarts: RestartPolicy, on_loss: Callable[[LaunchError], None]) -> Child:
    """A process that is kept alive."""
    return Child(
        command,
        restarts,
        clock=SystemClock(),
        log=get_logger("launcher"),
        on_restart=lambda _part: None,
        on_loss=on_loss,
    )
