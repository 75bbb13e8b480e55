"""ControlService: publishes the configuration in force to every process of the mesh."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.health import Facts
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.server import Context, Server
from chassis.snapshots import SECTIONS, Snapshot, document_for, snapshot_version
from chassis.tracing import Tracing
from runestone.control.v1.control_pb2 import DESCRIPTOR, WatchRequest, WatchResponse
from runestone.control.v1.control_pb2_grpc import ControlServiceServicer, add_ControlServiceServicer_to_server


class Publisher:
    """The snapshot in force and everybody who waits for the next one."""

    def __init__(self, settings: Settings) -> None:
        self.current = Snapshot(snapshot_version(settings), settings)
        self._replaced = asyncio.Event()

    def publish(self, settings: Settings) -> None:
        """Puts `settings` in force and wakes every watcher; equal settings change nothing."""
        snapshot = Snapshot(snapshot_version(settings), settings)
        if snapshot.version != self.current.version:
            self.current = snapshot
            self._replaced.set()
            self._replaced = asyncio.Event()

    async def snapshots_after(self, known_version: str) -> AsyncIterator[Snapshot]:
        """The snapshot in force unless it is the known one, then each later one; a slow reader gets the newest only.

        Never ends by itself: the reader's cancel ends it.
        """
        while True:
            replaced = self._replaced
            if self.current.version != known_version:
                known_version = self.current.version
                yield self.current
            else:
                await replaced.wait()


class ControlServicer(ControlServiceServicer):
    """Sends each service the sections that concern it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def Watch(self, request: WatchRequest, context: Context) -> AsyncIterator[WatchResponse]:  # noqa: N802, ARG002
        """The snapshot in force, then every later one."""
        if request.service not in SECTIONS:
            raise RunestoneError(Reason.PERMISSION_DENIED, f"there is no service {request.service!r} in the topology")
        async for snapshot in self._publisher.snapshots_after(request.known_version):
            document = document_for(request.service, snapshot.settings)
            yield WatchResponse(version=snapshot.version, document=document)


@asynccontextmanager
async def serving_control(publisher: Publisher, address: str, metrics: Metrics) -> AsyncIterator[None]:
    """Serves ControlService on `address` while the context is open."""
    facts, log = Facts(), get_logger("launcher")
    server = Server(facts=facts, tracing=Tracing("launcher"), metrics=metrics, log=log)
    name = DESCRIPTOR.services_by_name["ControlService"].full_name
    server.add(add_ControlServiceServicer_to_server, ControlServicer(publisher), name)
    await server.start(address)
    facts.say("listening", holds=True)
    await server.publish_health()
    try:
        yield
    finally:
        await server.stop(0)
