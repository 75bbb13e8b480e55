"""Keyrings, and processes that hold the same one."""

import secrets
from collections import Counter

import pytest

from cache_svc.encryption.data_keys import DataKeys
from cache_svc.encryption.keyring import MemoryKeyring
from cache_svc.encryption.redis_keyring import RedisKeyring
from cache_svc.encryption.sealed_store import SealedStore
from cache_svc.encryption.vault import Vault
from cache_svc.encryption.wrapping import MasterKeys
from cache_svc.eviction.lru import Lru
from cache_svc.memory import MemoryStore
from cache_svc.redis_store import RedisStore
from cache_svc.store import Bounds
from chassis.globs import Globs
from chassis.testing import FakeClock

MASTER = bytes(range(32))
BOUNDS = Bounds(max_entries=1000, max_bytes=10_000_000)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["memory", "redis_pool", "cluster"])
def medium(request):
    return request.param


@pytest.fixture
def keyring(medium, request):
    return MemoryKeyring() if medium == "memory" else RedisKeyring(request.getfixturevalue(medium), ttl=100)


@pytest.fixture
def inner(medium, request, clock):
    """The store under the seal: what somebody sees who reads along."""
    if medium == "memory":
        return MemoryStore(BOUNDS, clock, Lru())
    return RedisStore(request.getfixturevalue(medium), BOUNDS)


@pytest.fixture
def new_keys(keyring, clock):
    """Another process's knowledge of the one keyring."""

    def new_keys(master=MASTER, previous=(), ring=None):
        return DataKeys(
            ring or keyring, MasterKeys((master, *previous), secrets.token_bytes), clock, secrets.token_bytes
        )

    return new_keys


@pytest.fixture
def outcomes():
    return Counter()


@pytest.fixture
def new_store(inner, new_keys, outcomes):
    """Another process before the one store and the one keyring, and its vault."""

    def new_store(master=MASTER, previous=(), tenants=("*",), near=()):
        vault = Vault(new_keys(master, previous), Globs(tenants), Globs(near))
        return SealedStore(inner, vault, secrets.token_bytes, lambda outcome: outcomes.update([outcome])), vault

    return new_store
