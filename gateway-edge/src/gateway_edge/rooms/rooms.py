"""The rooms that have members in this edge, each followed once for all of them."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Self

from msgspec import Struct

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.config.schema import WebSocketDoor
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from gateway_edge.rooms.crowd import Crowd, Member
from gateway_edge.rooms.hosted import LAST_WORDS, Hosted, Streams
from gateway_edge.rooms.room import FrameText, Room
from gateway_edge.rooms.shared import RoomState, SharedRoom

MOST_ROOMS = 5_000  # in one edge process
MOST_MEMBERS = 10_000  # of one room, in one edge process
LEAST_HISTORY = 50  # messages that are looked through for streams that run already
LINGER = 5.0  # seconds that a room without members here is followed on: who lost the connection comes back


class Means(Struct, frozen=True, kw_only=True):
    """What rooms work with. `edge` names this process among all; `door` gives the settings in force."""

    state: RoomState
    breaker: Breaker
    edge: str
    clock: Clock
    new_id: Callable[[], str]
    frame_text: FrameText
    door: Callable[[], WebSocketDoor]
    log: Logger


MakeStreams = Callable[[str, Room], Streams]


class Rooms:
    """Opens rooms as members come, and closes them a little after the last one left; all of them when it is left itself. `make_streams`
    makes what acts on what is said of streams in a tenant's room."""

    def __init__(self, means: Means, make_streams: MakeStreams) -> None:
        self._means = means
        self._make_streams = make_streams
        self._hosted: dict[tuple[str, str], Hosted] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._hosted)

    def __iter__(self) -> Iterator[Room]:
        return (hosted.room for hosted in self._hosted.values())

    @property
    def members(self) -> int:
        """How many are in rooms by connections of this edge."""
        return sum(len(room.crowd) for room in self)

    @property
    def streams(self) -> int:
        """How many streams are read for them."""
        return sum(len(hosted.streams) for hosted in self._hosted.values())

    def open(self, tenant: str, name: str) -> Hosted:
        """The room, for somebody who is about to enter it. Raises OVERLOADED when there are as many rooms as may be."""
        hosted = self._hosted.get((tenant, name))
        if hosted is None:
            if len(self._hosted) >= MOST_ROOMS:
                message = "this edge serves as many rooms as it may"
                raise RunestoneError(Reason.OVERLOADED, message, retry_after=5.0, code="too_many_rooms")
            hosted = self._hosted[tenant, name] = self._host(tenant, name)
        hosted.close_after(LINGER, self._close_if_empty)
        return hosted

    def leave(self, hosted: Hosted, member: Member) -> None:
        """The member goes. Harmless for who is gone."""
        hosted.room.leave(member)
        hosted.streams.leave(member)
        if not hosted.room.crowd:
            hosted.close_after(LINGER, self._close_if_empty)

    async def drain(self, grace: float) -> None:
        """Says who left, so that nobody is taken to be here for longer; up to two of the `grace` seconds."""
        patience = min(grace, LAST_WORDS)
        await asyncio.gather(*(room.upkeep.wait_until_done(patience) for room in self))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        hosted, self._hosted = self._hosted, {}
        await asyncio.gather(*(one.close() for one in hosted.values()), *self._closing)

    def _host(self, tenant: str, name: str) -> Hosted:
        means, door = self._means, self._means.door()
        shared = SharedRoom(
            means.state,
            means.breaker,
            tenant=tenant,
            name=name,
            edge=means.edge,
            clock=means.clock,
            new_id=means.new_id,
        )
        room = Room(shared, f"room:{name}", Crowd(MOST_MEMBERS), history=door.history, frame_text=means.frame_text)
        return Hosted(room, self._make_streams(tenant, room), max(door.history, LEAST_HISTORY), means.log)

    def _close_if_empty(self, hosted: Hosted) -> None:
        if hosted.room.crowd:
            return
        room = hosted.room.shared.room
        if self._hosted.get((room.tenant, room.name)) is hosted:
            del self._hosted[room.tenant, room.name]
            task = asyncio.create_task(hosted.close(), name=f"close {hosted.room.topic}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def __repr__(self) -> str:
        return f"Rooms({len(self)}/{MOST_ROOMS}, {self.members} members)"
