"""The mesh as many processes: all started at once, each kept alive, stopped callers first."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from chassis.clock import Clock
from chassis.logs import Logger
from launcher.backoff import RestartPolicy
from launcher.child import Child, Command
from launcher.doors import Doors
from launcher.errors import LaunchError
from launcher.inspection import PartStatus
from launcher.liveness import LivenessPolicy, Silences
from launcher.plan import Part

Probe = Callable[[float], Awaitable[Sequence[PartStatus]]]  # the parts' answers, within so many seconds

NO_SOCKETS: Mapping[str, int] = MappingProxyType({})
MARGIN = 5.0  # seconds beyond its grace that a process has to close what it opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every child's command line says: `control` is the ControlService's address, `grace` is in seconds; `ports`, by name, are told
    to who has a door."""

    control: str
    data_dir: Path
    grace: float
    log_level: str
    ports: Mapping[str, int] = field(default_factory=dict)


def write_command(part: Part, around: Surroundings, sockets: Mapping[str, int] = NO_SOCKETS) -> Command:
    """The command of one part; `sockets` are the descriptors of its doors, where it has any, by their names."""
    arguments = [
        *(sys.executable, "-m", part.node.module),
        *("--control", around.control, "--listen", part.address),
        *(word for name, address in part.peers.items() for word in ("--peer", f"{name}={address}")),
        *("--data-dir", str(around.data_dir), "--worker", str(part.worker)),
        *(word for name, number in sockets.items() for word in ("--socket", f"{name}={number}")),
        *(word for name, port in around.ports.items() if part.node.has_door for word in ("--port", f"{name}={port}")),
        *("--grace", f"{around.grace:g}", "--log-level", around.log_level, "--lifeline"),
    ]
    return Command(name=part.name, arguments=arguments, descriptors=tuple(sockets.values()))


class Supervisor:
    """Keeps one child for every part, and ends those that hang, so that they are started again.

    `on_loss` is called once a part is given up; the rest runs on until `stop`.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Part]],
        around: Surroundings,
        doors: Mapping[str, Doors],
        *,
        policy: RestartPolicy,
        liveness: LivenessPolicy,
        probe: Probe,
        clock: Clock,
        log: Logger,
        on_restart: Callable[[str], None],
        on_loss: Callable[[LaunchError], None],
    ) -> None:
        def make_child(part: Part) -> Child:
            found = {name: door.descriptors[part.worker] for name, door in doors.items()} if part.node.has_door else {}
            command = write_command(part, around, found)
            return Child(command, policy, clock=clock, log=log, on_restart=on_restart, on_loss=on_loss)

        self._doors = doors
        self._liveness = liveness
        self._probe = probe
        self._clock = clock
        self._log = log
        self._watch: asyncio.Task[None] | None = None
        self._stages = [[make_child(part) for part in stage] for stage in stages]

    async def start(self) -> None:
        """Starts every child; they come up side by side and tolerate that their peers are not there yet."""
        for child in self._children():
            child.start()
        self._watch = asyncio.create_task(self._end_hanging(), name="watch for hanging parts")

    async def stop(self, grace: float) -> None:
        """Stops callers before callees; each stage has `grace` seconds, and a margin, before it is killed.

        The launcher lets go of the doors first, so that nobody queues at a port that no worker serves any more.
        """
        for door in self._doors.values():
            door.close()
        if self._watch is not None:
            self._watch.cancel()  # who stops may well be silent
            await asyncio.wait([self._watch])
        for stage in reversed(self._stages):
            await asyncio.gather(*(child.stop(grace + MARGIN) for child in stage))

    def kill(self) -> None:
        """Ends every child now: for a user who does not want to wait for `stop`, which then returns soon."""
        for child in self._children():
            child.kill()

    async def _end_hanging(self) -> None:
        """Probes until it is cancelled."""
        silences, children = Silences(self._liveness), {child.name: child for child in self._children()}
        while True:
            began = self._clock.monotonic()
            try:
                for status in await self._probe(self._liveness.every):
                    if silences.note(status, (child := children[status.name]).pid):
                        child.end_hanging()
            except Exception as error:  # noqa: BLE001  the outermost loop of the task: nobody else would watch
                self._log.error("probe crashed", exc_info=error)
            await asyncio.sleep(max(0.0, began + self._liveness.every - self._clock.monotonic()))

    def _children(self) -> list[Child]:
        return [child for stage in self._stages for child in stage]

    def __repr__(self) -> str:
        return f"Supervisor({self._children()})"
