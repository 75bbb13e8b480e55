"""Edges with leases, and callers without, race at real ratelimit-svcs: never over the limit, over any window."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from chassis.breaker import Breaker
from chassis.client import Channel
from chassis.clock import SystemClock
from chassis.config import Settings
from chassis.config.schema import RateLimit
from chassis.gcra import Rate
from chassis.metrics import Metrics
from chassis.testing import find_redis, redis_server, running
from gateway_edge.limits.leases import Leases
from gateway_edge.limits.limit import RequestLimit, per_minute
from gateway_edge.limits.metrics import LeaseMetrics
from ratelimit_svc.service import SERVICE
from runestone.ratelimit.v1.ratelimit_pb2_grpc import RateLimitServiceStub

SECOND = 1_000_000
FAST = RequestLimit(("tenant", "fast"), Rate(quantity=400, period=SECOND, burst=80))
KEY = RequestLimit(("key", "fast", "ci"), Rate(quantity=300, period=SECOND, burst=200))
MINUTE = RequestLimit(("tenant", "acme"), per_minute(50))


class Edge:
    """One edge's leases, and when each call was admitted: from when it was asked to when it was known (microseconds)."""

    def __init__(self, channel: Channel, spawn: Callable[..., None]) -> None:
        self.metrics = Metrics()
        clock = SystemClock()
        self.leases = Leases(
            RateLimitServiceStub(channel),
            Breaker(clock=clock),
            clock=clock,
            spawn=spawn,
            metrics=LeaseMetrics(self.metrics),
        )
        self.admitted: list[tuple[float, float]] = []
        self.refused = self.undecided = 0

    async def call(self, *limits: RequestLimit) -> None:
        asked_at = time.monotonic()
        with self.leases.hold(limits) as hold:
            verdicts = () if hold.is_whole else await self.leases.reserve(hold.lacking)
            if verdicts is None:
                self.undecided += 1
            elif all(verdict.is_admitted for verdict in verdicts):
                hold.keep()
                self.admitted.append((asked_at, time.monotonic()))
            else:
                self.refused += 1

    @property
    def out(self) -> int:
        return self.leases._book.count_units(self.leases._now())


@pytest.fixture(params=["memory", "redis"])
async def channels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Channel]]:
    """Ways to one limiter: a single process with its memory, or two replicas on one Redis."""
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            _, channel = await stack.enter_async_context(running(SERVICE, Settings()))
            yield [channel, channel]
            return
        try:
            find_redis()
        except FileNotFoundError as error:
            pytest.skip(str(error))
        monkeypatch.setattr("chassis.redis.DEADLINE", 9.0)  # a busy machine is not a failure
        url = await stack.enter_async_context(redis_server())
        settings = Settings(ratelimit=RateLimit(store=url))
        replicas = [await stack.enter_async_context(running(SERVICE, settings)) for _ in range(2)]
        yield [channel for _, channel in replicas]


@pytest.fixture
async def edges(channels: list[Channel]) -> AsyncIterator[list[Edge]]:
    tasks: set[asyncio.Task[None]] = set()

    def spawn(work, name):
        tasks.add(asyncio.create_task(work, name=name))

    yield [Edge(channel, spawn) for channel in channels for _ in range(2)]
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in outcomes if one is not None and not isinstance(one, asyncio.CancelledError)] == []


def check_windows(rate: Rate, spans: list[tuple[float, float]]) -> None:
    """No window holds more than the burst and what came back in it."""
    ends = sorted(end for _, end in spans)
    for index, (start, _) in enumerate(sorted(spans)):
        for used, end in enumerate(ends[index:], 1):
            assert used <= rate.burst + (end - start) * SECOND * rate.quantity / rate.period


async def test_a_crowd_over_several_edges_is_admitted_exactly_to_the_limit(edges: list[Edge]) -> None:
    """500 calls at once for 50 places."""
    began = time.monotonic()
    await asyncio.gather(*(edges[number % 4].call(MINUTE) for number in range(500)))
    came_back = (time.monotonic() - began) * 50 / 60
    admitted = sum(len(edge.admitted) for edge in edges)
    assert 50 - sum(edge.out for edge in edges) <= admitted <= 50 + came_back
    assert sum(edge.undecided for edge in edges) == 0
    assert sum(edge.refused for edge in edges) == 500 - admitted


async def test_edges_at_random_paces_never_exceed_the_rate_over_any_window(edges: list[Edge]) -> None:
    """Busy and idle by turns, with one limit or two; now and then an edge drops what it holds, as one that dies does."""
    chance = random.Random(8)

    async def play(edge: Edge) -> None:
        for _ in range(40):
            for _ in range(chance.choice([1, 5, 20])):
                await asyncio.gather(*(edge.call(*chance.choice([(FAST,), (FAST, KEY)])) for _ in range(3)))
            if chance.random() < 0.05:
                edge.leases._book.give_up(edge.leases._now())
            await asyncio.sleep(chance.choice([0, 0.001, 0.01, 0.1]))

    await asyncio.gather(*map(play, edges))
    spans = [span for edge in edges for span in edge.admitted]
    assert len(spans) > FAST.rate.burst
    check_windows(FAST.rate, spans)
    decisions = "".join(edge.metrics.exposition().decode() for edge in edges)
    assert 'runestone_limit_decisions_total{by="lease"}' in decisions


async def test_leases_held_while_the_burst_comes_back_are_not_spent_on_top_of_it(edges: list[Edge]) -> None:
    """Every edge leases, all wait until the limit is full again, and then a crowd comes to each."""
    limit = RequestLimit(("tenant", "patient"), Rate(quantity=100, period=SECOND, burst=80))
    for edge in edges:
        for _ in range(5):
            await edge.call(limit)
    assert sum(edge.leases._book.count_leases() for edge in edges) == len(edges)
    await asyncio.sleep(0.85)  # the store goes by real time
    await asyncio.gather(*(edge.call(limit) for edge in edges for _ in range(60)))
    check_windows(limit.rate, [span for edge in edges for span in edge.admitted])


async def test_a_busy_limit_with_room_is_served_by_leases(edges: list[Edge]) -> None:
    """Nine calls of ten ask nobody."""
    wide = RequestLimit(("tenant", "wide"), per_minute(60_000))
    for _ in range(50):
        for edge in edges:
            await asyncio.gather(*(edge.call(wide) for _ in range(10)))
    assert sum(edge.refused + edge.undecided for edge in edges) == 0
    decided = [edge.leases._metrics for edge in edges]
    by_lease = sum(metrics.by_lease.value for metrics in decided)
    assert by_lease > 0.9 * 2000


async def test_an_edge_that_stops_returns_what_it_held(edges: list[Edge], channels: list[Channel]) -> None:
    wide = RequestLimit(("tenant", "slow"), Rate(quantity=1000, period=3600 * SECOND, burst=1000))
    edge, other = edges[0], edges[-1]
    for _ in range(10):
        await edge.call(wide)
    assert edge.out > 0
    await edge.leases.drain(5)
    (verdict,) = await other.leases.reserve((wide,)) or ()
    assert 985 <= verdict.remaining <= 989
