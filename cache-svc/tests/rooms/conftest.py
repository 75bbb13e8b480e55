"""The stores that the suites of rooms run over."""

from contextlib import AsyncExitStack

import pytest
from rooms.room_replicas import Replicas
from rooms.room_views import SMALL

from chassis.testing import cluster_url


@pytest.fixture(scope="session")
def masters(busy_masters):
    return busy_masters


@pytest.fixture
def cluster_address(masters, cluster):
    """Of an empty cluster."""
    return cluster_url(masters)


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
