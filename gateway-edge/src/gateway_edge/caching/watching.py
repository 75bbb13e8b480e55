"""Hears from every replica of cache-svc what is no longer to be given."""

import asyncio
import random
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Protocol

from chassis.client import closing
from chassis.errors import RunestoneError
from gateway_edge.caching.near import NearCache
from runestone.cache.v1.cache_pb2 import Mark, WatchRequest, WatchResponse

SILENCE = 3.0  # seconds without a message after which a replica counts as not heard
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 1.0  # seconds before it is asked again


class ChangeSource(Protocol):
    """What is needed of one replica: `CacheServiceStub`."""

    def Watch(self, request: WatchRequest, /) -> AsyncIterable[WatchResponse]:  # noqa: N802  the rpc's name
        """What changes from a mark on."""


class Watchers:
    """One watch a replica. The near-cache is live while all of them are heard."""

    def __init__(self, near: NearCache) -> None:
        self._near = near
        self._watches: dict[ChangeSource, asyncio.Task[None]] = {}
        self._heard: set[ChangeSource] = set()

    async def run(self, replicas: AsyncIterable[Iterable[ChangeSource]]) -> None:
        """Watches the replicas that there are, as they change, until cancelled."""
        try:
            async for sources in replicas:
                self._follow(set(sources))
        finally:
            await self._end_all()

    def _follow(self, sources: set[ChangeSource]) -> None:
        for gone in self._watches.keys() - sources:
            self._heard.discard(gone)
            self._watches.pop(gone).cancel()
        for new in sources - self._watches.keys():
            self._watches[new] = asyncio.create_task(self._watch(new), name="cache watch")
        self._tell()

    async def _end_all(self) -> None:
        self._heard.clear()
        self._tell()
        for task in self._watches.values():
            task.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)

    async def _watch(self, source: ChangeSource) -> None:
        after: Mark | None = None
        pause = SHORTEST_PAUSE
        while True:
            try:
                async for response in self._hear(source, after):
                    after = self._take(response, after)
                    self._say(source, is_heard=True)
                pause = SHORTEST_PAUSE  # the stream came to its end: it is meant to be asked again
            except (RunestoneError, TimeoutError):
                pause = min(pause * 2, LONGEST_PAUSE)
            finally:
                self._say(source, is_heard=False)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy

    @staticmethod
    async def _hear(source: ChangeSource, after: Mark | None) -> AsyncIterator[WatchResponse]:
        """One stream's messages. Raises TimeoutError when none comes, and what the rpc raises."""
        async with closing(source.Watch(WatchRequest(after=after))) as responses:
            while True:
                async with asyncio.timeout(SILENCE):
                    response = await anext(responses, None)
                if response is None:
                    return
                yield response

    def _take(self, response: WatchResponse, after: Mark | None) -> Mark:
        if after is None or response.reset or response.mark.epoch != after.epoch:
            self._near.begin(response.mark, before=after.epoch if after else "")
        else:
            self._near.hear(response.mark, response.dropped)
        return response.mark

    def _say(self, source: ChangeSource, *, is_heard: bool) -> None:
        (self._heard.add if is_heard else self._heard.discard)(source)
        self._tell()

    def _tell(self) -> None:
        self._near.is_live = bool(self._watches) and self._heard >= self._watches.keys()
