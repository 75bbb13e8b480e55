"""Replicas of cache-svc, as far as they keep rooms."""

import asyncio

from rooms.room_views import PATIENT

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.memory import MemoryRooms
from cache_svc.rooms.redis_keys import SHARDS
from cache_svc.rooms.redis_rooms import RedisRooms
from cache_svc.rooms.store import BOUNDS
from cache_svc.store import Bounds
from chassis.clock import SystemClock
from chassis.redis import make_client


class Replicas:
    """Makes replicas of one truth: the same memory, or each its own before one Redis, or one cluster."""

    def __init__(self, stack, url=None, deadline=PATIENT):
        self._stack = stack
        self._url = url
        self._deadline = deadline

    async def make(self, bounds=BOUNDS, count=2, interval=0.1):
        """`interval` is that between two renewals of leases, in seconds."""
        if self._url is None:
            return [MemoryRooms(Bounds(max_entries=1_000, max_bytes=64 << 20), SystemClock(), Feeds(), bounds)] * count
        return [await self.make_one(bounds, interval) for _ in range(count)]

    async def make_one(self, bounds=BOUNDS, interval=0.1):
        """One of them."""
        client, reader = [
            await self._stack.enter_async_context(
                make_client(self._url, SystemClock(), deadline=deadline, max_connections=SHARDS)
            )
            for deadline in (self._deadline, PATIENT)
        ]
        rooms = RedisRooms(client, reader, SystemClock(), Feeds(), bounds)
        task = asyncio.create_task(rooms.run(interval))
        self._stack.push_async_callback(asyncio.wait, [task])
        self._stack.callback(task.cancel)
        rooms.task = task
        return rooms
