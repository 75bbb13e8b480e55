"""RealtimeService: requests in, events out."""

from collections.abc import AsyncIterator

from chassis.errors import Reason, RunestoneError
from chassis.server import Context
from chassis.snapshots import Editions
from provider_svc.realtime.metering import Metering
from provider_svc.realtime.opening import open_at_target
from provider_svc.realtime.session import Session, over
from provider_svc.seats import Routes
from runestone.realtime.v1.realtime_pb2 import (
    CloseRequest,
    CloseResponse,
    Opened,
    OpenRequest,
    OpenResponse,
    RealtimeEvent,
    SendRequest,
    SendResponse,
)
from runestone.realtime.v1.realtime_pb2_grpc import RealtimeServiceServicer

MOST = 1_000  # sessions of one replica


class RealtimeServicer(RealtimeServiceServicer):
    """Holds the sessions that are open. Each is its `Open` rpc's: when that ends, however it does, so does the session."""

    def __init__(self, routes: Editions[Routes]) -> None:
        self._routes = routes
        self._sessions: dict[str, Session] = {}

    @property
    def running(self) -> int:
        """Sessions that are open now."""
        return len(self._sessions)

    async def Open(self, request: OpenRequest, context: Context) -> AsyncIterator[OpenResponse]:  # noqa: N802, ARG002  the rpc's name
        """Opens a session and follows it to its end."""
        self._check_new(request.call_id)
        opening = await open_at_target(self._routes.current, request.model, dict(request.headers))
        session = Session(request.tenant, opening.socket, Metering(opening.rates))
        try:
            self._check_new(request.call_id)
            self._sessions[request.call_id] = session
            target = opening.target
            opened = Opened(provider=target.provider, model=target.model, attempt=opening.attempt)
            yield OpenResponse(events=[RealtimeEvent(opened=opened)])
            async for event in session.events():
                yield OpenResponse(events=[event])
        finally:
            if self._sessions.get(request.call_id) is session:
                del self._sessions[request.call_id]
            await session.leave()

    async def Send(self, request: SendRequest, context: Context) -> SendResponse:  # noqa: N802, ARG002  the rpc's name
        """Hands the client's messages on."""
        await self._find(request.call_id, request.tenant).send(request.messages)
        return SendResponse()

    async def Close(self, request: CloseRequest, context: Context) -> CloseResponse:  # noqa: N802, ARG002  the rpc's name
        """Begins to close."""
        self._find(request.call_id, request.tenant).begin_to_close(request.code, request.reason)
        return CloseResponse()

    def _check_new(self, call_id: str) -> None:
        if call_id in self._sessions:
            raise RunestoneError(Reason.CALL_EXISTS, "a session of this id is open")
        if len(self._sessions) >= MOST:
            raise RunestoneError(Reason.OVERLOADED, f"{MOST} realtime sessions are open here", retry_after=1.0)

    def _find(self, call_id: str, tenant: str) -> Session:
        session = self._sessions.get(call_id)
        if session is None or session.tenant != tenant:
            raise over()
        return session

    def __repr__(self) -> str:
        return f"RealtimeServicer({len(self._sessions)}/{MOST})"
