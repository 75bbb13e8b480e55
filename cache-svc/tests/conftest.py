"""The stores that the conformance suite runs over."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from cache_svc.memory import MemoryStore
from cache_svc.redis_store import RedisStore
from cache_svc.store import Bounds, Store
from chassis.clock import SystemClock
from chassis.redis import RedisPool
from chassis.testing import find_redis, redis_server

PATIENT = 20.0  # seconds; more than any answer takes on a busy machine
BOUNDS = Bounds(max_entries=100, max_bytes=80_000)

settings.register_profile("unhurried", deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    async with redis_server() as url:
        yield url


@pytest.fixture
async def redis_pool(redis_url) -> AsyncIterator[RedisPool]:
    async with RedisPool(redis_url, deadline=PATIENT) as pool:
        yield pool


@pytest.fixture(params=["memory", "redis"])
def store(request) -> Store:
    if request.param == "memory":
        return MemoryStore(BOUNDS, SystemClock())
    return RedisStore(request.getfixturevalue("redis_pool"), BOUNDS)
