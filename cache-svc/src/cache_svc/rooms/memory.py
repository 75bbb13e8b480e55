"""Rooms in this process's memory: gone with it, so there may be one replica only."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.room import OVERHEAD, Room
from cache_svc.rooms.store import (
    BOUNDS,
    GRACE,
    KEPT_FOR,
    Change,
    Presence,
    RoomBounds,
    Standing,
    is_stopping,
    owner_of,
)
from cache_svc.store import Bounds
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError

OWNERS = 4  # that it takes to use up the room


class MemoryRooms:
    """As many rooms and bytes as the bounds allow, and of one tenant a quarter: then what is further is refused. Positions are microseconds
    of the clock, or more, so that a process that follows this one gives none that it gave."""

    def __init__(self, bounds: Bounds, clock: Clock, feeds: Feeds, room_bounds: RoomBounds = BOUNDS) -> None:
        self._bounds = bounds
        self._room_bounds = room_bounds
        self._clock = clock
        self._feeds = feeds
        self._rooms: dict[bytes, Room] = {}
        self._leases: OrderedDict[tuple[bytes, str], float] = OrderedDict()
        self._idle: OrderedDict[bytes, float] = OrderedDict()
        self._last = 0
        self._rooms_of: Counter[bytes] = Counter()
        self._bytes_of: Counter[bytes] = Counter()
        self.used_bytes = 0
        self.members = 0

    async def enter(self, room: bytes, presence: Presence) -> int:
        """By this process's clock."""
        with self._changing(room, len(presence.content) + OVERHEAD) as place:
            change = place.enter(presence, self._next())
            if not self._feeds.is_watched(room, presence.edge):
                self._leases.setdefault((room, presence.edge), self._clock.monotonic() + GRACE)
            return self._tell(room, change)

    async def leave(self, room: bytes, ref: str) -> None:
        """Of this process."""
        if room in self._rooms:
            with self._changing(room) as place:
                self._tell(room, place.leave(ref, self._next()))

    async def publish(self, room: bytes, content: bytes, *, is_kept: bool, request_id: str) -> int:
        """By this process's clock."""
        with self._changing(room, len(content) + OVERHEAD) as place:
            now = self._clock.monotonic()
            repeated = place.find_repeated(request_id, now)
            if repeated is not None:
                return repeated
            return self._tell(room, place.publish(content, self._next(), now, is_kept=is_kept, request_id=request_id))

    async def watch(
        self, room: bytes, edge: str, *, after: int, history: int, seconds: float
    ) -> AsyncGenerator[Standing | tuple[Change, ...]]:
        """Several changes in quick succession come together."""
        if self._feeds.is_closed:
            raise is_stopping()
        until = self._clock.monotonic() + seconds
        with self._changing(room) as place:
            standing = place.stand(after, history, self._last)
        try:
            with self._feeds.open(room, edge) as feed:
                self._leases.pop((room, edge), None)
                self._idle.pop(room, None)
                yield standing
                async with aclosing(feed.follow(standing.position, until, self._clock)) as letters:
                    async for changes in letters:
                        yield changes
        finally:
            self._note_end(room, edge)

    def close(self) -> None:
        """Without a wait."""
        self._feeds.close()

    async def sweep(self, pause: float = 1.0) -> None:
        """Lets go whose time is over, every `pause` seconds, until cancelled."""
        while True:
            self.drop_expired()
            await asyncio.sleep(pause)

    def drop_expired(self) -> None:
        """Takes out the members of edges that did not come back, and forgets rooms in which nothing happened for long."""
        now = self._clock.monotonic()
        while self._leases and next(iter(self._leases.values())) <= now:
            (room, edge), _ = self._leases.popitem(last=False)
            self._expel(room, edge)
        while self._idle and next(iter(self._idle.values())) <= now:
            room, _ = self._idle.popitem(last=False)
            self._count(room, rooms=-1, size=-self._rooms.pop(room).size)

    def _expel(self, room: bytes, edge: str) -> None:
        with self._changing(room) as place:
            for ref in place.list_members(edge):
                self._tell(room, place.leave(ref, self._next()))

    @contextmanager
    def _changing(self, room: bytes, size: int = 0) -> Iterator[Room]:
        """A room, made where it is not there; what it takes is counted afterwards. Raises OVERLOADED where `size` more bytes have no room."""
        place = self._rooms.get(room)
        if lack := self._find_lack(size, owner_of(room), is_new=place is None):
            raise RunestoneError(Reason.OVERLOADED, lack, retry_after=1.0, may_have_begun=False)
        if place is None:
            place = self._rooms[room] = Room(self._room_bounds, self._next())
            self._count(room, rooms=1, size=place.size)
        before = place.size, place.members
        try:
            yield place
        finally:
            self._count(room, rooms=0, size=place.size - before[0])
            self.members += place.members - before[1]
            self._note_idle(room, place)

    def _find_lack(self, size: int, owner: bytes, *, is_new: bool) -> str:
        """Why there is no room; empty when there is."""
        if is_new and len(self._rooms) >= self._bounds.max_entries:
            return f"there are {self._bounds.max_entries} rooms, which is all that may be (cache.state.max_size)"
        if size and self.used_bytes + size > self._bounds.max_bytes:
            return f"rooms take {self.used_bytes} bytes, which is about all that they may (cache.state.max_bytes)"
        if is_new and self._rooms_of.get(owner, 0) >= -(-self._bounds.max_entries // OWNERS):
            return "this tenant has a quarter of all rooms that may be, which is all that one may have"
        if size and self._bytes_of.get(owner, 0) + size > self._bounds.max_bytes // OWNERS:
            return "rooms of this tenant take a quarter of the bytes that all may, which is all that one may have"
        return ""

    def _count(self, room: bytes, *, rooms: int, size: int) -> None:
        """A tenant without rooms takes no memory."""
        owner = owner_of(room)
        self.used_bytes += size
        self._bytes_of[owner] += size
        self._rooms_of[owner] += rooms
        if not self._rooms_of[owner]:
            del self._rooms_of[owner], self._bytes_of[owner]

    def _tell(self, room: bytes, change: Change | None) -> int:
        if change is None:
            return self._last
        self._feeds.add(room, change)
        return change.position

    def _next(self) -> int:
        self._last = max(self._last + 1, int(self._clock.time() * 1e6))
        return self._last

    def _note_end(self, room: bytes, edge: str) -> None:
        """A watch is over: its edge has the grace to come back."""
        if room in self._rooms and not self._feeds.is_watched(room, edge):
            self._leases[room, edge] = self._clock.monotonic() + GRACE
            self._leases.move_to_end((room, edge))
            self._note_idle(room, self._rooms[room])

    def _note_idle(self, room: bytes, place: Room) -> None:
        """From when on it may be forgotten."""
        self._idle.pop(room, None)
        if not place.members and not self._feeds.has(room):
            self._idle[room] = self._clock.monotonic() + KEPT_FOR

    def __len__(self) -> int:
        return len(self._rooms)

    def __repr__(self) -> str:
        return f"MemoryRooms({len(self)} rooms, {self.members} members, {self.used_bytes} bytes, {self._feeds!r})"
