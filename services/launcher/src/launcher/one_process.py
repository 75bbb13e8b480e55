"""The mesh in one process: every service on one loop, each with its own sockets, settings and metrics as ever."""

import importlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from chassis.config import decode
from chassis.runtime import Place, Runtime, Service, start_service
from chassis.snapshots import Snapshot, SnapshotFeed, document_for
from launcher.control import Publisher
from launcher.doors import Doors
from launcher.errors import LaunchError
from launcher.plan import Part


class OneProcess:
    """Builds the parts' services here. A service sees the sections that it would be sent as a process, no more."""

    def __init__(self, stages: Sequence[Sequence[Part]], data_dir: Path, publisher: Publisher, doors: Doors) -> None:
        self._parts = [part for stage in stages for part in stage]
        self._data_dir = data_dir
        self._publisher = publisher
        self._doors = doors
        self._running: list[Runtime] = []

    async def start(self) -> None:
        """Starts callees first. Raises LaunchError when one cannot start; `stop` then stops the others."""
        for part in self._parts:
            try:
                runtime = await start_service(load_service(part.node.module), self._place(part), self._feed(part))
            except (OSError, RuntimeError, TimeoutError) as error:
                raise LaunchError(f"{part.name} cannot start: {error}") from error
            self._running.append(runtime)

    async def stop(self, grace: float) -> None:
        """Stops callers first; each has `grace` seconds for its running calls."""
        self._doors.close()
        for runtime in reversed(self._running):
            await runtime.stop(grace)
        self._running.clear()

    def kill(self) -> None:
        """Ends the process now: the services live in it, there is nothing else to end."""
        os._exit(1)

    def _place(self, part: Part) -> Place:
        place = Place(listen=part.address, data_dir=self._data_dir, peers=part.peers, worker=part.worker)
        if not part.node.has_door:
            return place
        return replace(place, sockets={"http": os.dup(self._doors.descriptors[part.worker])})

    def _feed(self, part: Part) -> SnapshotFeed:
        snapshot = self._publisher.current
        settings = decode(document_for(part.node.name, snapshot.settings))
        return SnapshotFeed(Snapshot(snapshot.version, settings))


def load_service(module: str) -> Service:
    """The service value of a module. Raises LaunchError when it has none."""
    service = getattr(importlib.import_module(f"{module}.service"), "SERVICE", None)
    if not isinstance(service, Service):
        raise LaunchError(f"{module}.service has no SERVICE")
    return service
