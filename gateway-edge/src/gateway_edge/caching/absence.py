"""What cache-svc certainly does not have: known without asking."""

import asyncio
import random
from collections.abc import AsyncIterable, Iterable
from typing import Protocol

from chassis.client import closing
from chassis.errors import Reason, RunestoneError
from runestone.cache.v1.cache_pb2 import WatchKeysRequest, WatchKeysResponse

SILENCE = 3.0  # seconds without a message after which a replica counts as not heard
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 1.0  # seconds before it is asked again
LONG_PAUSE = 60.0  # seconds, where it cannot name what it keeps


class NameSource(Protocol):
    """What is needed of one replica: `CacheServiceStub`."""

    def WatchKeys(self, request: WatchKeysRequest, /) -> AsyncIterable[WatchKeysResponse]:  # noqa: N802  the rpc's name
        """Names what it keeps."""


class Names:
    """The names that one replica told; of answers that are there, or were."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.is_complete = False


class Absence:
    """Hears the names of all answers from every replica. What is not named anywhere is not there: but for answers that were stored
    a few hundredths of a second ago, whose question then is one that provider-svc has just answered, and answers again."""

    def __init__(self) -> None:
        self._names: dict[NameSource, Names] = {}
        self._watches: dict[NameSource, asyncio.Task[None]] = {}
        self._is_known = False

    def is_sure(self, key: bytes) -> bool:
        """Whether there certainly is no answer under a key."""
        if not self._is_known:
            return False
        name = int.from_bytes(key[:8])
        return not any(name in names.known for names in self._names.values())

    def note(self, key: bytes) -> None:
        """This process has an answer stored: nobody has to tell it."""
        for names in self._names.values():
            names.known.add(int.from_bytes(key[:8]))

    async def run(self, replicas: AsyncIterable[Iterable[NameSource]]) -> None:
        """Listens to the replicas that there are, as they change, until cancelled."""
        try:
            async for sources in replicas:
                self._follow(set(sources))
        finally:
            for task in self._watches.values():
                task.cancel()
            await asyncio.gather(*self._watches.values(), return_exceptions=True)

    def _follow(self, sources: set[NameSource]) -> None:
        for gone in self._watches.keys() - sources:
            self._watches.pop(gone).cancel()
            self._names.pop(gone, None)
        for new in sources - self._watches.keys():
            self._names[new] = Names()
            self._watches[new] = asyncio.create_task(self._watch(new), name="cache names")
        self._weigh()

    async def _watch(self, source: NameSource) -> None:
        pause = SHORTEST_PAUSE
        while True:
            try:
                await self._hear(source)
                pause = SHORTEST_PAUSE
            except TimeoutError:
                pause = min(pause * 2, LONGEST_PAUSE)
            except RunestoneError as error:
                pause = LONG_PAUSE if error.reason is Reason.UNIMPLEMENTED else min(pause * 2, LONGEST_PAUSE)
            finally:
                self._replace(source, Names())
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy

    async def _hear(self, source: NameSource) -> None:
        """One stream, from all that there is to its end; only then is the next one complete."""
        names = Names()
        self._replace(source, names)
        async with closing(source.WatchKeys(WatchKeysRequest())) as responses:
            while True:
                async with asyncio.timeout(SILENCE):
                    response = await anext(responses, None)
                if response is None:
                    return
                names.known.update(response.keys)
                if response.complete != names.is_complete:
                    names.is_complete = response.complete
                    self._weigh()

    def _replace(self, source: NameSource, names: Names) -> None:
        if source in self._names:
            self._names[source] = names
            self._weigh()

    def _weigh(self) -> None:
        self._is_known = bool(self._names) and all(names.is_complete for names in self._names.values())

    def __repr__(self) -> str:
        return f"Absence({sum(len(names.known) for names in self._names.values())} names, known: {self._is_known})"
