"""Steps in a room in Redis, each one call of `room.lua`."""

from typing import Any

from cache_svc.rooms.redis_keys import keys_of
from cache_svc.rooms.store import (
    BOUNDS,
    GRACE,
    KEPT_FOR,
    REPEATABLE,
    Change,
    Kind,
    Presence,
    RoomBounds,
    Standing,
    room_is_full,
    too_much_is_said,
)
from chassis.redis import RedisClient, Script

SCRIPT = Script.load("cache_svc.rooms", "room.lua")
LEASE = 13_000  # milliseconds: the grace, and what may pass until the next renewal
TTL = round(KEPT_FOR * 1000)


class RoomScript:
    """What may happen in a room. Every method raises UNAVAILABLE."""

    def __init__(self, client: RedisClient, bounds: RoomBounds = BOUNDS) -> None:
        self._client = client
        self._bounds = bounds

    async def begin(self, room: bytes) -> int:
        """The position at which the log of the room's shard ends."""
        return int(await self._run("begin", room))

    async def enter(self, room: bytes, presence: Presence) -> int:
        """Its position. Raises OVERLOADED."""
        said = (presence.ref, presence.edge, presence.content, round(GRACE * 1000), self._bounds.max_members, TTL)
        position = await self._run("enter", room, *said)
        if position is None:
            raise room_is_full(self._bounds.max_members)
        return int(position)

    async def leave(self, room: bytes, ref: str) -> None:
        """Nothing where nobody was there."""
        await self._run("leave", room, ref)

    async def publish(self, room: bytes, content: bytes, *, is_kept: bool, request_id: str) -> int:
        """Its position. Raises OVERLOADED."""
        bounds = self._bounds
        ids = (int(is_kept), int(bool(request_id)), round(REPEATABLE * 1000))
        most = (bounds.max_messages, bounds.max_bytes, bounds.max_rate, bounds.max_byte_rate)
        position = await self._run("publish", room, content, *ids, *most, TTL, request_id=request_id)
        if position is None:
            raise too_much_is_said()
        return int(position)

    async def watch(self, room: bytes, edge: str, after: int, history: int) -> Standing:
        """How it stands."""
        position, is_behind, members, *messages = await self._run("watch", room, edge, after, history, LEASE, TTL)
        read = [_read_message(entry) for entries in messages for entry in entries]
        return Standing(
            members=tuple(members),
            messages=tuple(sorted(read, key=lambda message: message.position)),
            position=int(position),
            is_behind=bool(is_behind),
        )

    async def expel(self, room: bytes, edge: str) -> None:
        """Nothing where the edge watches again."""
        await self._run("expel", room, edge)

    async def _run(self, command: str, room: bytes, *said: bytes | str | int, request_id: str = "") -> Any:
        return await self._client.run(SCRIPT, keys_of(room, request_id), [command, room.hex(), *said])

    def __repr__(self) -> str:
        return f"RoomScript({self._client!r})"


def _read_message(entry: tuple[bytes, list[bytes]]) -> Change:
    position, (_, content) = entry
    return Change(int(position.partition(b"-")[0]), Kind.SAID, content)
