"""Where responses are, as all edges know it: notes with cache-svc's StateService."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from chassis.metric_families import Counter
from gateway_edge.blame import is_part_down
from gateway_edge.stored.place import Place, is_id, read_place, write_place
from runestone.state.v1.state_pb2 import FindNoteRequest, FindNoteResponse, KeepNoteRequest, KeepNoteResponse

TIMEOUT = 0.25  # seconds; a state that is slower is down
KEPT_FOR = 30 * 24 * 3600  # seconds: OpenAI keeps responses for 30 days

Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class NoteState(Protocol):
    """`StateServiceStub`, as far as it is about notes. `timeout` is in seconds."""

    def KeepNote(  # noqa: N802  the rpc's name
        self, request: KeepNoteRequest, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[KeepNoteResponse]:
        """Keeps a note in place of what was there."""

    def FindNote(  # noqa: N802  the rpc's name
        self, request: FindNoteRequest, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[FindNoteResponse]:
        """What was kept."""


class Places:
    """Tells where each tenant's responses are. `outcomes` counts what came of it: `kept`, `not_kept`; `found`, `unknown`,
    `unavailable`."""

    def __init__(self, state: NoteState, breaker: Breaker, *, clock: Clock, spawn: Spawn, outcomes: Counter) -> None:
        self._state = state
        self._breaker = breaker
        self._clock = clock
        self._spawn = spawn
        self._outcomes = outcomes

    def keep(self, tenant: str, response_id: str, place: Place) -> asyncio.Event:
        """Notes where a response is; the event is set when that is done, or cannot be: the response is then not found later.
        Whoever waits for it waits at most `TIMEOUT`; leaving does not stop it."""
        is_over = asyncio.Event()
        self._spawn(self._keep(tenant, response_id, place, is_over), "note response")
        return is_over

    async def find(self, tenant: str, response_id: str) -> Place | None:
        """Where the tenant's response is; None for one that is unknown, another tenant's, or no id at all. Raises UNAVAILABLE when
        nobody can say."""
        if not is_id(response_id):
            self._count("unknown")
            return None
        if not self._breaker.admits():
            self._count("unavailable")
            raise _unavailable()
        place = await self._find(tenant, response_id)
        self._breaker.succeeded()
        self._count("unknown" if place is None else "found")
        return place

    async def _find(self, tenant: str, response_id: str) -> Place | None:
        request = FindNoteRequest(scope=tenant, key=response_id)
        try:
            found = await self._state.FindNote(request, timeout=TIMEOUT, metadata=_route(tenant, response_id))
        except RunestoneError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            if not is_part_down(error, self._clock):
                raise
            self._breaker.failed()
            self._count("unavailable")
            raise _unavailable() from error
        return read_place(found.note)

    async def _keep(self, tenant: str, response_id: str, place: Place, is_over: asyncio.Event) -> None:
        bind(CallContext(current().trace))  # whose deadline may have been why it ended
        try:
            is_kept = await self._try_keep(tenant, response_id, write_place(place))
            self._count("kept" if is_kept else "not_kept")
        finally:
            is_over.set()

    async def _try_keep(self, tenant: str, response_id: str, note: bytes) -> bool:
        if not note or not self._breaker.admits():
            return False
        request = KeepNoteRequest(scope=tenant, key=response_id, note=note)
        request.ttl.FromSeconds(KEPT_FOR)
        try:
            await self._state.KeepNote(request, timeout=TIMEOUT, metadata=_route(tenant, response_id))
        except RunestoneError as error:
            if error.reason is not Reason.OVERLOADED and is_part_down(
                error, self._clock
            ):  # full, it still finds what it has
                self._breaker.failed()
            return False
        self._breaker.succeeded()
        return True

    def _count(self, outcome: str) -> None:
        self._outcomes.labels(outcome).inc()


def _route(tenant: str, response_id: str) -> Metadata:
    """With memory of its own each, the same replica is asked that was told."""
    return ((ROUTE_KEY, f"{tenant}\0{response_id}".encode()),)


def _unavailable() -> RunestoneError:
    message = "who has this response cannot be told right now; try again"
    return RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0, code="stored_responses_unavailable")
