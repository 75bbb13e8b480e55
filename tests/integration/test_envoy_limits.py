"""A real Envoy with ratelimit-svc as its global limiter."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import msgspec
import pytest
from integration.envoy_proxy import envoy_proxy, find_program

from chassis.config import Settings
from chassis.config.rate_domains import RateDomain
from chassis.config.schema import RateLimit
from chassis.testing import find_redis, free_port, redis_server, running, short_directory
from ratelimit_svc.service import SERVICE

REPLICAS, REQUESTS, AT_ONCE = 4, 120, 16
DESCRIPTORS = [
    {"key": "client", "rate_limit": {"unit": "day", "requests_per_unit": 25}},
    {"key": "client", "value": "second", "rate_limit": {"unit": "day", "requests_per_unit": 10}},
    {"key": "client", "value": "banned", "rate_limit": {"unit": "day", "requests_per_unit": 0}},
    {"key": "all", "rate_limit": {"unit": "day", "requests_per_unit": 40}},
]
DOMAINS = msgspec.convert([{"domain": "front", "descriptors": DESCRIPTORS}], list[RateDomain])


@asynccontextmanager
async def proxied(store, replicas=1, *, denies_on_failure=True):
    """An Envoy before as many ratelimit-svcs, and a session that asks it."""
    find_program()
    async with AsyncExitStack() as stack:
        settings = Settings(ratelimit=RateLimit(store=store, domains=DOMAINS))
        services = [await stack.enter_async_context(running(SERVICE, settings)) for _ in range(replicas)]
        sockets = [runtime.place.listen.removeprefix("unix:") for runtime, _ in services]
        directory = stack.enter_context(short_directory())
        proxy = envoy_proxy(directory, sockets, denies_on_failure=denies_on_failure)
        session = aiohttp.ClientSession(await stack.enter_async_context(proxy))
        yield await stack.enter_async_context(session), [runtime for runtime, _ in services]


async def ask(session, client):
    async with session.get("/", headers={"x-client": client}) as answer:
        await answer.read()
        return answer.status, answer.headers


async def ask_often(session, client, times=REQUESTS):
    """The statuses of that many requests, several at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one():
        async with places:
            return (await ask(session, client))[0]

    return Counter(await asyncio.gather(*(one() for _ in range(times))))


def counted(runtimes, outcome):
    row = f'runestone_ratelimit_domain_requests_total{{domain="front",outcome="{outcome}"}} '
    lines = [line for runtime in runtimes for line in runtime.metrics.exposition().decode().splitlines()]
    return [float(line.removeprefix(row)) for line in lines if line.startswith(row)]


async def test_envoy_lets_through_exactly_as_many_as_the_limits_allow():
    """25 of one client, 10 of another, and the five that are left for all of a third: what a client's own limit refused is not
    charged to the limit of all."""
    async with proxied("memory") as (session, runtimes):
        assert await ask_often(session, "first") == {200: 25, 429: REQUESTS - 25}
        assert await ask_often(session, "second") == {200: 10, 429: REQUESTS - 10}
        assert await ask_often(session, "third") == {200: 5, 429: REQUESTS - 5}
        assert await ask_often(session, "banned", 5) == {429: 5}
        assert (counted(runtimes, "admitted"), counted(runtimes, "refused")) == ([40.0], [3.0 * REQUESTS + 5 - 40])


async def test_a_client_is_told_how_its_limit_stands():
    async with proxied("memory") as (session, _):
        status, headers = await ask(session, "second")
        told = {name: headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset")}
        assert (status, told) == (200, {"limit": "10, 10;w=86400", "remaining": "9", "reset": "8640"})
        await ask_often(session, "second", 9)
        status, headers = await ask(session, "second")
        assert (status, headers["x-ratelimit-remaining"]) == (429, "0")
        assert 0 < int(headers["retry-after"]) <= 8640


async def test_replicas_over_one_redis_are_one_limiter_to_envoy(monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", 20.0)  # seconds; more than any answer takes on a busy machine
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    async with redis_server() as url, proxied(url, REPLICAS) as (session, runtimes):
        first, second = await asyncio.gather(ask_often(session, "first"), ask_often(session, "second"))
        assert (first[200], second[200]) == (25, 10)
        assert (first[429], second[429]) == (REQUESTS - 25, REQUESTS - 10)
        assert len(counted(runtimes, "refused")) == REPLICAS  # all of them were asked


@pytest.mark.parametrize(("denies_on_failure", "status"), [(True, 500), (False, 200)])
async def test_without_a_store_envoy_goes_by_its_own_rule(denies_on_failure, status):
    store = f"redis://127.0.0.1:{free_port()}/0"
    async with proxied(store, denies_on_failure=denies_on_failure) as (session, runtimes):
        assert await ask_often(session, "first", 20) == {status: 20}
        assert counted(runtimes, "unavailable") == [20.0]
