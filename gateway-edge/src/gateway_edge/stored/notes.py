"""Notes that all edges share, with cache-svc's StateService."""

from collections.abc import Awaitable
from typing import Protocol

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from chassis.metric_families import Counter
from gateway_edge.blame import is_part_down
from runestone.state.v1.state_pb2 import FindNoteRequest, FindNoteResponse, KeepNoteRequest, KeepNoteResponse

TIMEOUT = 0.25  # seconds; a state that is slower is down


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


class Notes:
    """Keeps and finds the notes of each tenant. `outcomes` counts what came of it: `kept`, `not_kept`; `found`, `unknown`,
    `unavailable`. `unavailable` is what is raised when nobody can say."""

    def __init__(
        self, state: NoteState, breaker: Breaker, clock: Clock, outcomes: Counter, unavailable: RunestoneError
    ) -> None:
        self._state = state
        self._breaker = breaker
        self._clock = clock
        self._outcomes = outcomes
        self._unavailable = unavailable

    async def keep(self, tenant: str, key: str, note: bytes, ttl: float) -> bool:
        """Keeps a note for `ttl` seconds; False when it is not: it is then not found later. An empty one is never kept."""
        is_kept = bool(note) and self._breaker.admits() and await self._keep(tenant, key, note, ttl)
        self.count("kept" if is_kept else "not_kept")
        return is_kept

    async def find(self, tenant: str, key: str) -> bytes | None:
        """The tenant's note; None when there is none. Raises UNAVAILABLE when nobody can say."""
        if not self._breaker.admits():
            raise self._fail()
        request = FindNoteRequest(scope=tenant, key=key)
        try:
            found = await self._state.FindNote(request, timeout=TIMEOUT, metadata=_route(tenant, key))
        except RunestoneError as error:
            if error.reason is Reason.NOT_FOUND:
                self._breaker.succeeded()
                return None
            if not is_part_down(error, self._clock):
                raise
            self._breaker.failed()
            raise self._fail() from error
        self._breaker.succeeded()
        return found.note

    def count(self, outcome: str) -> None:
        """Counts what came of a note."""
        self._outcomes.labels(outcome).inc()

    async def _keep(self, tenant: str, key: str, note: bytes, ttl: float) -> bool:
        request = KeepNoteRequest(scope=tenant, key=key, note=note)
        request.ttl.FromMilliseconds(int(ttl * 1000))
        try:
            await self._state.KeepNote(request, timeout=TIMEOUT, metadata=_route(tenant, key))
        except RunestoneError as error:
            # Full, it still finds what it has.
            if error.reason is not Reason.OVERLOADED and is_part_down(error, self._clock):
                self._breaker.failed()
            return False
        self._breaker.succeeded()
        return True

    def _fail(self) -> RunestoneError:
        self.count("unavailable")
        error = self._unavailable
        return RunestoneError(error.reason, error.message, retry_after=error.retry_after, code=error.code)


def _route(tenant: str, key: str) -> Metadata:
    """With memory of its own each, the same replica is asked that was told."""
    return ((ROUTE_KEY, f"{tenant}\0{key}".encode()),)
