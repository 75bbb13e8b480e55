"""Hears what other replicas tell, from every replica of cache-svc."""

import asyncio
import random
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Protocol

from chassis.client import closing
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from provider_svc.hints.telling import TOPIC
from runestone.hint.v1.hint_pb2 import Hint, WatchRequest, WatchResponse

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 2.0  # seconds before a replica is asked again
LONG_PAUSE = 60.0  # seconds, where it knows nothing of hints
SILENCE = 5.0  # seconds that a replica fails before that is said: a restart takes less


class Source(Protocol):
    """What is needed of one replica: `HintServiceStub`."""

    def Watch(self, request: WatchRequest, /) -> AsyncIterable[WatchResponse]:  # noqa: N802  the rpc's name
        """What is told, until it ends or fails."""


Hear = Callable[[Iterable[Hint]], None]


class Listeners:
    """One watch a replica."""

    def __init__(self, hear: Hear, clock: Clock, log: Logger) -> None:
        self._hear = hear
        self._clock = clock
        self._log = log
        self._watches: dict[tuple[str, Source], asyncio.Task[None]] = {}

    async def run(self, replicas: AsyncIterable[Mapping[str, Source]]) -> None:
        """Listens to the replicas that there are, by address, as they change, until cancelled."""
        async with asyncio.TaskGroup() as watches:
            async for sources in replicas:
                self._follow(sources, watches)

    def _follow(self, sources: Mapping[str, Source], watches: asyncio.TaskGroup) -> None:
        for gone in self._watches.keys() - sources.items():
            self._watches.pop(gone).cancel()
        for address, source in sources.items() - self._watches.keys():
            watch = Watch(source, self._hear, self._clock, self._log.bind(address=address))
            self._watches[address, source] = watches.create_task(watch.run(), name=f"hints of {address}")


class Watch:
    """One replica's hints. When it is not heard for a while that is said once, and once when it is heard again."""

    def __init__(self, source: Source, hear: Hear, clock: Clock, log: Logger) -> None:
        self._source = source
        self._hear = hear
        self._clock = clock
        self._log = log
        self._failing_since: float | None = None
        self._is_missed = False

    async def run(self) -> None:
        """Until cancelled."""
        pause = SHORTEST_PAUSE
        while True:
            try:
                await self._follow()
                pause = SHORTEST_PAUSE  # it came to its end: it is meant to be asked again
            except RunestoneError as error:
                self._note_failure(error)
                pause = LONG_PAUSE if error.reason is Reason.UNIMPLEMENTED else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy

    async def _follow(self) -> None:
        async with closing(self._source.Watch(WatchRequest(topic=TOPIC))) as responses:
            async for response in responses:
                self._note_sign()
                self._hear(response.hints)

    def _note_sign(self) -> None:
        self._failing_since = None
        if self._is_missed:
            self._is_missed = False
            self._log.info("openings of breakers are shared again")

    def _note_failure(self, error: RunestoneError) -> None:
        now = self._clock.monotonic()
        self._failing_since = self._failing_since or now
        if not self._is_missed and now - self._failing_since > SILENCE:
            self._is_missed = True
            self._log.info("openings of breakers are not shared", reason=error.reason, error=str(error))
