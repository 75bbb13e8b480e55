"""The mesh in one process: every service on one loop, each with its own sockets, settings and metrics as ever."""

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from chassis.reload.followed import FollowedControl
from chassis.runtime import Place, Runtime, Service, start_service
from launcher.doors import Doors
from launcher.errors import LaunchError
from launcher.plan import Part


class OneProcess:
    """Builds the parts' services here. Each follows the publisher at `control` as a process does, and is sent no more."""

    def __init__(
        self,
        stages: Sequence[Sequence[Part]],
        data_dir: Path,
        control: str,
        doors: Mapping[str, Doors],
        ports: Mapping[str, int],
    ) -> None:
        self._parts = [part for stage in stages for part in stage]
        self._data_dir = data_dir
        self._control = control
        self._doors = doors
        self._ports = dict(ports)
        self._running: list[tuple[Runtime, FollowedControl]] = []

    async def start(self) -> None:
        """Starts callees first. Raises LaunchError when one cannot start; `stop` then stops the others."""
        for part in self._parts:
            try:
                self._running.append(await self._start(part))
            except (OSError, RuntimeError, TimeoutError) as error:
                raise LaunchError(f"{part.name} cannot start: {error}") from error

    async def stop(self, grace: float) -> None:
        """Stops callers first; each has `grace` seconds for its running calls."""
        for door in self._doors.values():
            door.close()
        for runtime, followed in reversed(self._running):
            await followed.__aexit__()
            await runtime.stop(grace)
        self._running.clear()

    def kill(self) -> None:
        """Ends the process now: the services live in it, there is nothing else to end."""
        os._exit(1)

    async def _start(self, part: Part) -> tuple[Runtime, FollowedControl]:
        followed = FollowedControl(part.node.name, self._control, part.worker)
        feed = await followed.__aenter__()
        try:
            runtime = await start_service(load_service(part.node.module), self._place(part), feed)
        except BaseException:
            await followed.__aexit__()
            raise
        followed.begin()
        return runtime, followed

    def _place(self, part: Part) -> Place:
        place = Place(listen=part.address, data_dir=self._data_dir, peers=part.peers, worker=part.worker)
        if not part.node.has_door:
            return place
        sockets = {name: os.dup(door.descriptors[part.worker]) for name, door in self._doors.items()}
        return replace(place, sockets=sockets, ports=self._ports)


def load_service(module: str) -> Service:
    """The service value of a module. Raises LaunchError when it has none."""
    service = getattr(importlib.import_module(f"{module}.service"), "SERVICE", None)
    if not isinstance(service, Service):
        raise LaunchError(f"{module}.service has no SERVICE")
    return service
