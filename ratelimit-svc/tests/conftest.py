"""The stores that the conformance suite runs over, each as several clients of one truth."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import settings

from chassis.redis import RedisPool
from chassis.testing import find_redis, redis_server
from ratelimit_svc.memory import MemoryStore
from ratelimit_svc.redis_store import RedisStore
from ratelimit_svc.store import Store

CLIENTS = 4
PATIENT = 20.0  # seconds; more than any answer takes on a busy machine

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
async def redis_pools(redis_url) -> AsyncIterator[list[RedisPool]]:
    async with AsyncExitStack() as stack:
        pools = [RedisPool(redis_url, deadline=PATIENT, max_connections=8) for _ in range(CLIENTS)]
        yield [await stack.enter_async_context(pool) for pool in pools]


@pytest.fixture(params=["memory", "redis"])
def clients(request) -> list[Store]:
    """Four clients: tasks over one memory, or replicas with connections of their own over one Redis."""
    if request.param == "memory":
        return [MemoryStore()] * CLIENTS
    return [RedisStore(pool) for pool in request.getfixturevalue("redis_pools")]
