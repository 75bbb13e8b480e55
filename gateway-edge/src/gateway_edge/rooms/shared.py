"""A room as all edges share it: cache-svc's RoomService, behind a breaker."""

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Protocol, TypeVar

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.context import CallContext, bind, current
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from gateway_edge.blame import is_part_down
from gateway_edge.rooms.presence import Entry
from runestone.room.v1.room_pb2 import (
    EnterRequest,
    EnterResponse,
    LeaveRequest,
    LeaveResponse,
    Member,
    Message,
    PublishRequest,
    PublishResponse,
    Room,
    WatchRequest,
    WatchResponse,
)

TIMEOUT = 2.0  # seconds; Phoenix' clients wait ten for a reply
TRIES = 2  # of what may be sent again

T = TypeVar("T")


class RoomState(Protocol):
    """`RoomServiceStub`. `timeout` is in seconds."""

    def Enter(self, request: EnterRequest, /, *, timeout: float, metadata: Metadata) -> Awaitable[EnterResponse]:  # noqa: N802  the rpc's name
        """Puts a member in, or changes it."""

    def Leave(self, request: LeaveRequest, /, *, timeout: float, metadata: Metadata) -> Awaitable[LeaveResponse]:  # noqa: N802  the rpc's name
        """Takes a member out."""

    def Publish(self, request: PublishRequest, /, *, timeout: float, metadata: Metadata) -> Awaitable[PublishResponse]:  # noqa: N802  the rpc's name
        """Tells all watchers."""

    def Watch(self, request: WatchRequest, /, *, metadata: Metadata) -> AsyncIterable[WatchResponse]:  # noqa: N802  the rpc's name
        """Follows a room."""


class SharedRoom:
    """One tenant's room. Whatever fails because the state is away raises UNAVAILABLE in the same words, with nothing done, or done
    without harm. `edge` names this process in it; `new_id` makes what a message is known by when it is sent again."""

    def __init__(
        self,
        state: RoomState,
        breaker: Breaker,
        *,
        tenant: str,
        name: str,
        edge: str,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self.room = Room(tenant=tenant, name=name)
        self._state = state
        self._breaker = breaker
        self.edge = edge
        self._clock = clock
        self._new_id = new_id
        self._route: Metadata = ((ROUTE_KEY, self.room.SerializeToString(deterministic=True)),)

    async def enter(self, ref: str, entry: Entry) -> int:
        """Puts a member in, or changes what is told of it. Returns the position. Raises OVERLOADED when the room is full."""
        member = Member(ref=ref, key=entry.key, meta=entry.meta, edge=self.edge)
        request = EnterRequest(room=self.room, member=member)
        response = await self._ask(lambda: self._state.Enter(request, timeout=TIMEOUT, metadata=self._route))
        return response.position

    async def leave(self, ref: str) -> None:
        """Takes a member out."""
        request = LeaveRequest(room=self.room, ref=ref)
        await self._ask(lambda: self._state.Leave(request, timeout=TIMEOUT, metadata=self._route))

    async def publish(self, event: str, payload: bytes, *, sender: str, is_kept: bool) -> int:
        """Tells everybody in the room. Returns the position. Raises OVERLOADED when the room takes no more for now."""
        message = Message(event=event, payload=payload, sender=sender)
        request = PublishRequest(room=self.room, message=message, is_kept=is_kept, request_id=self._new_id())
        response = await self._ask(lambda: self._state.Publish(request, timeout=TIMEOUT, metadata=self._route))
        return response.position

    def watch(self, after: int, history: int) -> AsyncIterable[WatchResponse]:
        """How the room stands, and then what changes. Raises what the rpc does; to be closed."""
        request = WatchRequest(room=self.room, edge=self.edge, after_position=after, history=0 if after else history)
        return self._state.Watch(request, metadata=self._route)

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """In a time of its own, not that of the call that it may be a part of."""
        around = current()
        bind(CallContext(around.trace))
        try:
            return await self._try_twice(ask)
        finally:
            bind(around)

    async def _try_twice(self, ask: Callable[[], Awaitable[T]]) -> T:
        """All of this may be done twice, so what failed is tried once more."""
        for left in reversed(range(TRIES)):
            if not self._breaker.admits():
                raise rooms_unavailable()
            try:
                answer = await ask()
            except RunestoneError as error:
                if error.reason is Reason.OVERLOADED or not is_part_down(error, self._clock):
                    raise
                self._breaker.failed()
                if not left:
                    raise rooms_unavailable() from error
            else:
                self._breaker.succeeded()
                return answer
        raise AssertionError("the last try returns or raises")

    def __repr__(self) -> str:
        return f"SharedRoom({self.room.tenant}/{self.room.name}, {self._breaker!r})"


def rooms_unavailable() -> RunestoneError:
    """What is said while rooms' state is away."""
    message = "rooms are not available right now; try again"
    return RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0, code="rooms_unavailable")
