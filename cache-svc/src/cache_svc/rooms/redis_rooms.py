"""Rooms in Redis or Redis Cluster: the same for all replicas. Everything has a time to live, which is Redis' own affair."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.leases import INTERVAL, Leases
from cache_svc.rooms.redis_keys import SHARDS, shard_of
from cache_svc.rooms.room_log import RoomLog
from cache_svc.rooms.room_script import RoomScript
from cache_svc.rooms.store import BOUNDS, Change, Presence, RoomBounds, Standing, is_stopping
from chassis.clock import Clock
from chassis.redis import RedisClient

DEADLINE = 1.0  # seconds: a room of ten thousand is read in one step


class RedisRooms:
    """Rooms are spread over `SHARDS` slots, each with a log of what changes, which every replica reads once. `reader` is a client of its
    own, with a connection for each log. Redis bounds itself, but for what one room may hold."""

    def __init__(
        self, client: RedisClient, reader: RedisClient, clock: Clock, feeds: Feeds, bounds: RoomBounds = BOUNDS
    ) -> None:
        self._clock = clock
        self._feeds = feeds
        self._script = RoomScript(client, bounds)
        self._logs = [RoomLog(reader, shard, feeds) for shard in range(SHARDS)]
        self._leases = [Leases(client, self._script, shard, feeds) for shard in range(SHARDS)]

    async def enter(self, room: bytes, presence: Presence) -> int:
        """By Redis' clock, as all of it."""
        return await self._script.enter(room, presence)

    async def leave(self, room: bytes, ref: str) -> None:
        """This replica hears of it as the others do."""
        await self._script.leave(room, ref)

    async def publish(self, room: bytes, content: bytes, *, is_kept: bool, request_id: str) -> int:
        """This replica hears of it as the others do."""
        return await self._script.publish(room, content, is_kept=is_kept, request_id=request_id)

    async def watch(
        self, room: bytes, edge: str, *, after: int, history: int, seconds: float
    ) -> AsyncGenerator[Standing | tuple[Change, ...]]:
        """The feed is open before Redis says how the room stands: what changes in between is heard, and passed over."""
        if self._feeds.is_closed:
            raise is_stopping()
        await self._logs[shard_of(room)].begin()
        until = self._clock.monotonic() + seconds
        with self._feeds.open(room, edge) as feed:
            standing = await self._script.watch(room, edge, after, history)
            yield standing
            async with aclosing(feed.follow(standing.position, until, self._clock)) as letters:
                async for changes in letters:
                    yield changes

    def close(self) -> None:
        """Of this process only."""
        self._feeds.close()

    async def run(self, interval: float = INTERVAL) -> None:
        """Hears of changes and tends the leases, until cancelled; `interval` is in seconds."""
        async with asyncio.TaskGroup() as group:
            for log, leases in zip(self._logs, self._leases, strict=True):
                group.create_task(log.read())
                group.create_task(leases.tend(interval))

    def __repr__(self) -> str:
        return f"RedisRooms({self._script!r}, {self._feeds!r})"
