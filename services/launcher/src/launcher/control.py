"""ControlService: publishes the configuration in force to every process of the mesh, and hears how far each is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.errors import Reason, RunestoneError
from chassis.health import Facts
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.server import Context, Server
from chassis.snapshots import SECTIONS, Snapshot, document_for
from chassis.tracing import Tracing
from launcher.publisher import Publisher, Standing, State
from runestone.control.v1 import control_pb2 as messages
from runestone.control.v1.control_pb2_grpc import ControlServiceServicer, add_ControlServiceServicer_to_server


class ControlServicer(ControlServiceServicer):
    """Sends each service the sections that concern it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def Watch(  # noqa: N802
        self,
        request: messages.WatchRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[messages.WatchResponse]:
        """How things stand, then every change."""
        letters = Letters(_known(request.service), request.known_version)
        past = [] if request.known_version else list(self._publisher.past)
        async for state in self._publisher.states():
            yield letters.write(state, past)
            past = []

    async def Report(  # noqa: N802
        self,
        request: messages.ReportRequest,
        context: Context,  # noqa: ARG002
    ) -> messages.ReportResponse:
        """Takes note of how a process stands."""
        standing = Standing(
            version=request.version,
            ready=request.ready_version,
            refused=request.refused_version,
            problem=request.problem,
        )
        self._publisher.note((_known(request.service), request.worker), standing)
        return messages.ReportResponse()


class Letters:
    """What one watcher is written. A document that it has is not sent again: the one in force that it knows already, or the
    candidate of the letter before."""

    def __init__(self, service: str, known_version: str) -> None:
        self._service = service
        self._has = {known_version}

    def write(self, state: State, past: list[Snapshot]) -> messages.WatchResponse:
        """The letter for a state."""
        version = state.current.version
        response = messages.WatchResponse(version=version, past=[self._enclose(snapshot) for snapshot in past])
        if version not in self._has:
            response.document = document_for(self._service, state.current.settings)
        self._has = {version}
        if state.candidate is not None:
            response.candidate.CopyFrom(self._enclose(state.candidate))
            self._has.add(state.candidate.version)
        return response

    def _enclose(self, snapshot: Snapshot) -> messages.Snapshot:
        return messages.Snapshot(version=snapshot.version, document=document_for(self._service, snapshot.settings))


def _known(service: str) -> str:
    if service not in SECTIONS:
        raise RunestoneError(Reason.PERMISSION_DENIED, f"there is no service {service!r} in the topology")
    return service


@asynccontextmanager
async def serving_control(publisher: Publisher, address: str, metrics: Metrics) -> AsyncIterator[None]:
    """Serves ControlService on `address` while the context is open."""
    facts, log = Facts(), get_logger("launcher")
    server = Server(facts=facts, tracing=Tracing("launcher"), metrics=metrics, log=log)
    name = messages.DESCRIPTOR.services_by_name["ControlService"].full_name
    server.add(add_ControlServiceServicer_to_server, ControlServicer(publisher), name)
    await server.start(address)
    facts.say("listening", holds=True)
    await server.publish_health()
    try:
        yield
    finally:
        await server.stop(0)
