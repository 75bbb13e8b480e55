"""An edge's copies beside a real cache-svc: none is given while the watch is down, and those that are right outlive it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import pytest

from cache_svc.history import KEPT
from cache_svc.service import SERVICE
from chassis.breaker import Breaker
from chassis.client import closing
from chassis.clock import SystemClock
from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.testing import running
from gateway_edge.caching.absence import Absence
from gateway_edge.caching.near import NearCache
from gateway_edge.caching.shelf import Shelf
from gateway_edge.caching.storing import Storing
from gateway_edge.caching.watching import Watchers
from runestone.cache.v1.cache_pb2 import (
    Answer,
    PurgeRequest,
    Selection,
    StoreAllRequest,
    StoreRequest,
    WatchRequest,
    WatchResponse,
)
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub

PURGED, RIGHT, OTHER = b"1" * 32, b"2" * 32, b"3" * 32
BATCH = 250  # changes in one request


class Line:
    """The way to the `Watch` of a cache-svc, which a test can cut."""

    def __init__(self, stub: CacheServiceStub) -> None:
        self._stub = stub
        self.asked: list[WatchRequest] = []
        self.whole = asyncio.Event()
        self.whole.set()

    async def Watch(self, request: WatchRequest) -> AsyncIterator[WatchResponse]:
        self.asked.append(request)
        await self.whole.wait()
        async with closing(self._stub.Watch(request)) as responses:
            async for response in responses:  # one a second at the least
                if not self.whole.is_set():
                    raise RunestoneError(Reason.UNAVAILABLE, "the line is cut")
                yield response


class Edge:
    """What an edge has of the cache."""

    def __init__(self, stub: CacheServiceStub, line: Line) -> None:
        clock = SystemClock()
        self.near = NearCache(1 << 20, clock, longest_call=600)
        storing = Storing(dict, self.near, lambda work, _name: work.close(), on_failure=lambda _: None)
        self.shelf = Shelf(stub, self.near, Absence(), storing, breaker=Breaker(clock=clock), clock=clock)
        self.stub, self.line = stub, line

    async def near_ones(self, keys: Iterable[bytes]) -> list[bool]:
        """Of each answer, whether it stood here; it does when it is asked for again."""
        return [(await self.shelf.find(key, "")).is_near for key in keys]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    async def lose_the_line(self) -> None:
        self.line.whole.clear()
        await self.until(lambda: not self.near.is_live)

    async def find_the_line(self) -> None:
        self.line.whole.set()
        await self.until(lambda: self.near.is_live)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    async with running(SERVICE, Settings()) as (_, channel):
        stub = CacheServiceStub(channel)
        line = Line(stub)
        edge = Edge(stub, line)

        async def replicas() -> AsyncIterator[list[Line]]:
            yield [line]
            await asyncio.Event().wait()

        watching = asyncio.create_task(Watchers(edge.near).run(replicas()))
        await edge.until(lambda: edge.near.is_live)
        for key in (PURGED, RIGHT):
            await stub.Store(StoreRequest(fingerprint=key, answer=Answer(body=b"{}", content_type="application/json")))
        await edge.near_ones([PURGED, RIGHT])
        assert await edge.near_ones([PURGED, RIGHT]) == [True, True]
        yield edge
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_watch_that_was_down_resumes_and_only_what_was_purged_is_gone(edge: Edge) -> None:
    await edge.lose_the_line()
    await edge.stub.Purge(PurgeRequest(selection=Selection(key_prefix=PURGED)))
    assert await edge.near_ones([RIGHT]) == [False], "asked of cache-svc, while nobody tells what is purged"
    await edge.find_the_line()
    assert edge.line.asked[-1].HasField("after")
    assert len(edge.near) == 1
    assert await edge.near_ones([PURGED, RIGHT]) == [False, True]


async def test_a_log_that_does_not_reach_back_empties_the_edge(edge: Edge) -> None:
    await edge.lose_the_line()
    again = StoreRequest(fingerprint=OTHER, answer=Answer(body=b"{}"), replaces=True)
    for _ in range(KEPT // BATCH + 1):
        await edge.stub.StoreAll(StoreAllRequest(stores=[again] * BATCH))
    await edge.find_the_line()
    assert len(edge.near) == 0
    await edge.near_ones([RIGHT])
    assert await edge.near_ones([RIGHT]) == [True], "and it fills again"
