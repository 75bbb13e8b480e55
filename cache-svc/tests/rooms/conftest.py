"""The stores that the suites of rooms run over."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from rooms.room_views import PATIENT, SMALL

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.memory import MemoryRooms
from cache_svc.rooms.redis_keys import SHARDS
from cache_svc.rooms.redis_rooms import RedisRooms
from cache_svc.rooms.store import BOUNDS
from cache_svc.store import Bounds
from chassis.clock import SystemClock
from chassis.redis import make_client
from chassis.testing import cluster_url


@pytest.fixture
def cluster_address(masters, cluster):
    """Of an empty cluster."""
    return cluster_url(masters)


class Replicas:
    """Makes replicas of one truth: the same memory, or each its own before one Redis, or one cluster."""

    def __init__(self, stack, url=None):
        self._stack = stack
        self._url = url

    async def make(self, bounds=BOUNDS, count=2, interval=0.1):
        """`interval` is that between two renewals of leases, in seconds."""
        if self._url is None:
            return [MemoryRooms(Bounds(max_entries=1_000, max_bytes=64 << 20), SystemClock(), Feeds(), bounds)] * count
        return [await self.make_one(bounds, interval) for _ in range(count)]

    async def make_one(self, bounds=BOUNDS, interval=0.1):
        """One that is current."""
        client, reader = [
            await self._stack.enter_async_context(
                make_client(self._url, SystemClock(), deadline=PATIENT, max_connections=SHARDS)
            )
            for _ in range(2)
        ]
        rooms = RedisRooms(client, reader, SystemClock(), Feeds(), bounds)
        task = asyncio.create_task(rooms.run(interval))
        self._stack.push_async_callback(asyncio.wait, [task])
        self._stack.callback(task.cancel)
        async with asyncio.timeout(PATIENT):
            while any(log._last < 0 for log in rooms._logs):
                await asyncio.sleep(0.01)
        rooms.task = task
        return rooms


@pytest.fixture(params=["memory", "redis_url", "cluster_address"])
def store_url(request):
    return None if request.param == "memory" else request.getfixturevalue(request.param)


@pytest.fixture
async def medium(store_url):
    """What makes replicas of one truth."""
    async with AsyncExitStack() as stack:
        yield Replicas(stack, store_url)


@pytest.fixture
async def replicas(medium):
    return await medium.make()


@pytest.fixture
async def small_replicas(medium):
    return await medium.make(SMALL)
