"""Openings of breakers travel from one replica of provider-svc to another by way of cache-svc, and nothing depends on it."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from cache_svc.service import SERVICE as CACHE
from chassis.config import parse_settings
from chassis.runtime import Place, Service, start_service
from chassis.snapshots import Snapshot, SnapshotFeed
from chassis.testing import find_redis, redis_server, running, short_directory
from provider_svc.hints.opening import open_hints

PATIENT = 20.0  # seconds; more than anything takes on a busy machine
REAL = parse_settings("providers: [{name: openai, kind: openai, api_key: k}]")
SIMULATED = parse_settings("providers: [{name: sim, kind: simulated}]")
GPT = ("openai", "gpt")


class FakeTarget:
    """Rings when it hears that it is open elsewhere."""

    provider, model = GPT

    def __init__(self):
        self.until = None
        self.is_warned = asyncio.Event()

    def hear_open(self, until, now):
        self.until = until
        self.is_warned.set()


class Replica:
    """provider-svc with nothing but a book of one target, and its hints."""

    def __init__(self):
        self.on_open = None
        self.target = FakeTarget()
        self.service = Service("provider", self._build)

    def find(self, provider, model):
        return self.target if (provider, model) == GPT else None

    async def hears(self):
        await asyncio.wait_for(self.target.is_warned.wait(), PATIENT)

    async def _build(self, runtime):
        self.runtime = runtime
        self.hints = open_hints(runtime, self)


@asynccontextmanager
async def replica(peers, settings=REAL):
    one = Replica()
    async with running(one.service, settings, peers=peers):
        yield one


@asynccontextmanager
async def cache_at(directory, settings=None):
    """cache-svc at an address that is the same after a restart."""
    place = Place(listen=f"unix:{directory}/cache.sock", data_dir=directory)
    runtime = await start_service(CACHE, place, SnapshotFeed(Snapshot("1", settings or parse_settings(""))))
    try:
        yield {"cache": place.listen}
    finally:
        await runtime.stop(0)


async def until(holds):
    async with asyncio.timeout(PATIENT):
        while not holds():
            await asyncio.sleep(0.005)


def count(one, way):
    lines = one.runtime.metrics.exposition().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"runestone_hints_{way}_total "))


async def test_what_opens_at_one_replica_is_heard_by_the_other_and_not_by_itself():
    with short_directory() as directory:
        async with cache_at(directory) as peers, replica(peers) as first, replica(peers) as second:
            first.on_open(*GPT, 30.0)
            await second.hears()
            assert 0 < second.target.until - second.runtime.clock.monotonic() <= 30
            assert (count(first, "told"), count(second, "heard")) == (1, 1)
            assert not first.target.is_warned.is_set()


async def test_a_replica_that_starts_later_hears_what_still_holds():
    with short_directory() as directory:
        async with cache_at(directory) as peers, replica(peers) as first:
            first.on_open(*GPT, 30.0)
            first.on_open("openai", "unused", 30.0)
            await until(lambda: count(first, "told") == 2)
            async with replica(peers) as late:
                await late.hears()
                await until(lambda: late.hints.recall("openai", "unused"))


async def test_replicas_share_through_several_of_cache_svc_that_have_each_their_own_memory():
    with short_directory() as one, short_directory() as other:
        async with cache_at(one) as peers, cache_at(other) as more:
            both = {"cache": f"{peers['cache']},{more['cache']}"}
            async with replica(both) as first, replica(both) as second:
                for number in range(8):
                    first.on_open("openai", str(number), 30.0)
                await until(lambda: all(second.hints.recall("openai", str(number)) for number in range(8)))


async def test_replicas_share_through_several_of_cache_svc_on_one_redis():
    """Each of them knows one of the two only; what both tell is heard once."""
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with short_directory() as one, short_directory() as other:
        async with redis_server() as url:
            settings = parse_settings(f"cache: {{store: '{url}'}}")
            async with cache_at(one, settings) as peers, cache_at(other, settings) as more:
                both = {"cache": f"{peers['cache']},{more['cache']}"}
                async with replica(peers) as first, replica(more) as second, replica(both) as third:
                    first.on_open(*GPT, 30.0)
                    await second.hears()
                    await third.hears()
                    second.on_open("openai", "end", 30.0)
                    await until(lambda: third.hints.recall("openai", "end"))
                    assert count(third, "heard") == 2


async def test_a_restart_of_cache_svc_costs_nothing_that_is_told_afterwards():
    with short_directory() as directory:
        async with AsyncExitStack() as stack:
            first_life = await stack.enter_async_context(AsyncExitStack())
            peers = await first_life.enter_async_context(cache_at(directory))
            first = await stack.enter_async_context(replica(peers))
            second = await stack.enter_async_context(replica(peers))
            first.on_open("openai", "before", 30.0)
            await until(lambda: second.hints.recall("openai", "before"))
            await first_life.aclose()
            first.on_open(*GPT, 30.0)
            await stack.enter_async_context(cache_at(directory))
            await second.hears()


async def test_without_cache_svc_the_service_is_ready_and_what_opens_waits_for_it():
    with short_directory() as directory:
        peers = {"cache": f"unix:{directory}/cache.sock"}
        async with replica(peers) as first, replica(peers) as second:
            first.on_open(*GPT, 30.0)
            assert first.runtime.facts.is_ready
            assert "hint" not in repr(first.runtime.facts)
            assert count(first, "told") == 0
            async with cache_at(directory):
                await second.hears()


async def test_who_calls_simulated_providers_only_asks_nobody_until_there_is_another():
    with short_directory() as directory:
        async with cache_at(directory) as peers, replica(peers) as first, replica(peers, SIMULATED) as second:
            first.on_open(*GPT, 30.0)
            await until(lambda: count(first, "told") == 1)
            assert second.runtime._links == {}
            second.runtime.snapshots.publish(Snapshot("2", REAL))
            await second.hears()


async def test_a_service_that_knows_no_cache_svc_keeps_its_openings_to_itself():
    async with replica({}) as alone:
        alone.on_open(*GPT, 30.0)
        assert alone.hints.recall(*GPT) is None
        assert alone.runtime.facts.is_ready
