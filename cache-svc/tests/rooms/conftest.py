"""The stores that the suites of rooms run over."""

import pytest
from rooms.room_views import SMALL

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.memory import MemoryRooms
from cache_svc.rooms.store import BOUNDS
from cache_svc.store import Bounds
from chassis.clock import SystemClock


@pytest.fixture(params=["memory"])
def new_replicas(request):
    """What makes two replicas of one truth: the same memory, or two who ask one Redis, or one cluster."""

    async def make(bounds):
        return [MemoryRooms(Bounds(max_entries=1_000, max_bytes=64 << 20), SystemClock(), Feeds(), bounds)] * 2

    return make


@pytest.fixture
async def replicas(new_replicas):
    return await new_replicas(BOUNDS)


@pytest.fixture
async def small_replicas(new_replicas):
    return await new_replicas(SMALL)
