"""One room, in memory. Pure: positions and times come from outside."""

from collections import OrderedDict, defaultdict

from cache_svc.rooms.pace import Pace
from cache_svc.rooms.shelf import Shelf
from cache_svc.rooms.store import (
    REPEATABLE,
    Change,
    Kind,
    Presence,
    RoomBounds,
    Standing,
    room_is_full,
    too_much_is_said,
)

OVERHEAD = 500  # bytes that a member, or a room, counts for beyond what is told of it


class Room:
    """Who is in it, what was said, and what must not be said twice. It began at `floor`: what was before is not known."""

    def __init__(self, bounds: RoomBounds, floor: int) -> None:
        self._bounds = bounds
        self._floor = floor
        self._members: dict[str, Presence] = {}
        self._edges: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._kept = Shelf(bounds.max_messages, bounds.max_bytes)
        self._told = Shelf(bounds.max_messages, bounds.max_bytes)
        self._requests: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._pace = Pace(bounds.max_rate, bounds.max_byte_rate)
        self._members_size = OVERHEAD

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return self._members_size + self._kept.size + self._told.size + 200 * len(self._requests)

    @property
    def members(self) -> int:
        """How many are in it."""
        return len(self._members)

    def enter(self, presence: Presence, position: int) -> Change | None:
        """What changed; None where all of it was so. Raises OVERLOADED."""
        known = self._members.get(presence.ref)
        if known == presence:
            return None
        if known is None and len(self._members) >= self._bounds.max_members:
            raise room_is_full(self._bounds.max_members)
        self._forget(presence.ref)
        self._members[presence.ref] = presence
        self._edges[presence.edge][presence.ref] = None
        self._members_size += len(presence.content) + OVERHEAD
        return Change(position, Kind.ENTERED, presence.content)

    def leave(self, ref: str, position: int) -> Change | None:
        """What changed; None where nobody was in it under the ref."""
        return Change(position, Kind.LEFT, ref.encode()) if self._forget(ref) else None

    def list_members(self, edge: str) -> list[str]:
        """The refs of those that are connected to an edge."""
        return list(self._edges.get(edge, ()))

    def find_repeated(self, request_id: str, now: float) -> int | None:
        """Where what has this request id was said, within the last minute."""
        while self._requests and next(iter(self._requests.values()))[1] <= now:
            self._requests.popitem(last=False)
        position, _ = self._requests.get(request_id, (None, 0.0))
        return position

    def publish(self, content: bytes, position: int, now: float, *, is_kept: bool, request_id: str) -> Change:
        """What changed. Raises OVERLOADED."""
        if not self._pace.admits(len(content), now):
            raise too_much_is_said()
        change = Change(position, Kind.SAID, content)
        (self._kept if is_kept else self._told).add(change)
        if request_id:
            self._requests[request_id] = (position, now + REPEATABLE)
        return change

    def stand(self, after: int, history: int, position: int) -> Standing:
        """How it stands at `position`, for who was told all up to `after`."""
        if after:
            messages = self._kept.list_behind(after) + self._told.list_behind(after)
            messages.sort(key=lambda message: message.position)
        else:
            messages = self._kept.list_last(history)
        return Standing(
            members=tuple(presence.content for presence in self._members.values()),
            messages=tuple(messages),
            position=position,
            is_behind=bool(after) and after < max(self._floor, self._kept.floor, self._told.floor),
        )

    def _forget(self, ref: str) -> bool:
        known = self._members.pop(ref, None)
        if known is None:
            return False
        self._members_size -= len(known.content) + OVERHEAD
        self._edges[known.edge].pop(ref)
        if not self._edges[known.edge]:
            del self._edges[known.edge]
        return True

    def __repr__(self) -> str:
        return f"Room({self.members} members, {len(self._kept)} messages of history, {self.size} bytes)"
