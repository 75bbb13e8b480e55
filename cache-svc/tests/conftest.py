"""The stores that the conformance suite runs over."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from hypothesis import settings

from cache_svc.encryption.data_keys import DataKeys
from cache_svc.encryption.keyring import MemoryKeyring
from cache_svc.encryption.sealed_store import SealedStore
from cache_svc.encryption.sealing import OVERHEAD
from cache_svc.encryption.vault import Vault
from cache_svc.encryption.wrapping import MasterKeys
from cache_svc.eviction.tiny_lfu import TinyLfu
from cache_svc.memory import MemoryStore
from cache_svc.redis_store import RedisStore
from cache_svc.store import LARGEST_SHARE, Bounds, Store
from chassis.clock import SystemClock
from chassis.globs import Globs
from chassis.redis import ClusterPool, RedisPool
from chassis.testing import RedisProcess, cluster_url, find_redis, redis_cluster, redis_server

PATIENT = 20.0  # seconds; more than any answer takes on a busy machine
BOUNDS = Bounds(max_entries=100, max_bytes=80_000)

settings.register_profile("unhurried", deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def redis_is_there() -> None:
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
async def redis_url(redis_is_there) -> AsyncIterator[str]:
    async with redis_server() as url:
        yield url


@pytest.fixture
async def redis_pool(redis_url) -> AsyncIterator[RedisPool]:
    async with RedisPool(redis_url, deadline=PATIENT) as pool:
        yield pool


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def masters(redis_is_there) -> AsyncIterator[list[RedisProcess]]:
    """One cluster for all tests, as it takes seconds to come up."""
    async with redis_cluster() as masters:
        yield masters


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def busy_masters(redis_is_there) -> AsyncIterator[list[RedisProcess]]:
    """Another one, for tests that leave its memory to be freed by and by, while others count theirs."""
    async with redis_cluster() as masters:
        yield masters


@pytest.fixture
async def cluster(masters) -> AsyncIterator[ClusterPool]:
    """Empty."""
    for master in masters:
        await master.tell("FLUSHALL")
    async with ClusterPool(cluster_url(masters), deadline=PATIENT) as cluster:
        yield cluster


@pytest.fixture(params=["redis_pool", "cluster"])
def client(request) -> RedisPool | ClusterPool:
    """One Redis, and a cluster of them."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["memory", "redis_pool", "cluster", "sealed memory", "sealed redis_pool", "sealed cluster"])
def store(request) -> Store:
    sealed, _, medium = request.param.rpartition(" ")
    bounds = replace(BOUNDS, max_bytes=BOUNDS.max_bytes + LARGEST_SHARE * OVERHEAD) if sealed else BOUNDS
    if medium == "memory":
        store: Store = MemoryStore(bounds, SystemClock(), TinyLfu(bounds.max_entries, bounds.max_bytes))
    else:
        store = RedisStore(request.getfixturevalue(medium), bounds)
    return seal(store) if sealed else store


def seal(store: Store) -> SealedStore:
    """Everybody's answers, under keys that the store does not count; always the same keys: under others a hidden name may begin as
    a readable one does, one in 256 of one byte, and a purge by that byte takes it along."""
    draw = random.Random(1).randbytes
    masters = MasterKeys([bytes(range(32))], draw)
    keys = DataKeys(MemoryKeyring(), masters, SystemClock(), draw)
    return SealedStore(store, Vault(keys, Globs(["*"]), Globs([])), draw, lambda _outcome: None)
