"""A breaker that opens in one replica of provider-svc makes the others careful, by way of cache-svc."""

import asyncio
from contextlib import asynccontextmanager

from cache_svc.service import SERVICE as CACHE
from chassis.config import Settings, parse_settings
from chassis.runtime import Service
from chassis.testing import free_port, running, short_directory
from provider_svc.health.book import HealthBook
from provider_svc.health.breaker import State
from provider_svc.health.outcome import Outcome
from provider_svc.hints.opening import open_hints
from provider_svc.service import SERVICE as PROVIDER

PATIENT = 20.0  # seconds
SETTINGS = parse_settings("providers: [{name: openai, kind: openai, api_key: k, breaker: {failures: 2, pause: 30s}}]")
OPENAI = SETTINGS.providers[0]


class Replica:
    """provider-svc with nothing but the health of its targets, and hints."""

    def __init__(self):
        self.book = HealthBook()
        self.service = Service("provider", self._build)

    @property
    def gpt(self):
        return self.book.of(OPENAI, "gpt")

    @property
    def now(self):
        return self.runtime.clock.monotonic()

    def fail(self):
        self.gpt.leave(Outcome.FAILED, self.now, entry=self.gpt.enter(self.now))

    async def _build(self, runtime):
        self.runtime = runtime
        self.book.on_new = open_hints(runtime, self.book).warn


@asynccontextmanager
async def replica(peers):
    one = Replica()
    async with running(one.service, SETTINGS, peers=peers):
        yield one


async def until(holds):
    async with asyncio.timeout(PATIENT):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_breaker_that_opens_makes_the_other_replica_careful_and_one_that_comes_later():
    async with running(CACHE, Settings()) as (cache, _):
        peers = {"cache": cache.place.listen}
        async with replica(peers) as first, replica(peers) as second:
            assert second.gpt.state(second.now) is State.CLOSED
            first.fail()
            assert first.gpt.state(first.now) is State.CLOSED
            first.fail()
            assert first.gpt.state(first.now) is State.OPEN
            await until(lambda: second.gpt.state(second.now) is State.OPEN)
            async with replica(peers) as late:
                await until(lambda: b"runestone_hints_heard_total 1.0" in late.runtime.metrics.exposition())
                assert late.book.find("openai", "gpt") is None
                assert late.gpt.state(late.now) is State.OPEN


async def test_provider_svc_is_ready_and_serves_whether_cache_svc_is_there_or_not():
    with short_directory() as directory:
        for cache in (f"unix:{directory}/nobody.sock", f"127.0.0.1:{free_port()}"):
            async with running(PROVIDER, SETTINGS, peers={"cache": cache}) as (runtime, _):
                assert runtime.facts.is_ready
                assert "hint" not in repr(runtime.facts)
                assert b"runestone_hints_told_total 0.0" in runtime.metrics.exposition()
