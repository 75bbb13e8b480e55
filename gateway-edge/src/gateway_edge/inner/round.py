"""Questions asked one after the other, at a bounded rate and so many at a time, and what came of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable
from enum import StrEnum

from chassis.clock import Clock
from gateway_edge.inner.question_file import Line

Sleep = Callable[[float], Awaitable[None]]


class Came(StrEnum):
    """What came of a line: its answer was kept already; it was asked, and is kept now; it was asked in vain, as such answers
    are not kept; asking failed; it is no question."""

    HIT = "hit"
    MISS = "miss"
    NOT_KEPT = "not_kept"
    FAILED = "failed"
    BAD_LINE = "bad_line"

    @classmethod
    def of_cache(cls, outcome: str) -> "Came":
        """What `x-cache` says of an answer."""
        return _BY_CACHE.get(outcome, cls.NOT_KEPT)


_BY_CACHE = {"HIT": Came.HIT, "MISS": Came.MISS, "REFRESH": Came.MISS, "COALESCED": Came.MISS}


class Pace:
    """At most `rate` turns a second, evenly."""

    def __init__(self, rate: float, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock.monotonic()

    async def wait(self) -> None:
        """Returns when the next turn may be taken, and takes it."""
        while (left := self._next - self._clock.monotonic()) > 0:
            await self._sleep(left)
        self._next = max(self._next, self._clock.monotonic()) + self._interval


class Round:
    """Asks lines with `ask`, at most `most` at a time, and tells `note` of each when it is over. `counts` says how it stands.

    What `ask` raises ends the round; cancelling it cancels what is being asked.
    """

    def __init__(
        self,
        ask: Callable[[Line], Awaitable[Came]],
        pace: Pace,
        *,
        most: int,
        note: Callable[[Line, Came], None],
    ) -> None:
        self.counts: Counter[Came] = Counter()
        self.is_stopped = False
        self._ask = ask
        self._pace = pace
        self._places = asyncio.Semaphore(most)
        self._note = note

    async def run(self, lines: AsyncIterable[Line]) -> None:
        """Returns when all lines are over, or after `stop` those that were being asked."""
        async with asyncio.TaskGroup() as group:
            async for line in lines:
                if line.fault:
                    self._count(line, Came.BAD_LINE)
                    continue
                await self._places.acquire()
                await self._pace.wait()
                if self.is_stopped:
                    return
                group.create_task(self._ask_one(line))

    def stop(self) -> None:
        """Asks nothing more."""
        self.is_stopped = True

    def describe(self) -> dict[str, int]:
        """The counts for people and scripts, each of them; `asked` are all but the bad lines."""
        return {
            "asked": self.counts.total() - self.counts[Came.BAD_LINE],
            "hits": self.counts[Came.HIT],
            "misses": self.counts[Came.MISS],
            "not_kept": self.counts[Came.NOT_KEPT],
            "failed": self.counts[Came.FAILED],
            "bad_lines": self.counts[Came.BAD_LINE],
        }

    async def _ask_one(self, line: Line) -> None:
        try:
            self._count(line, await self._ask(line))
        finally:
            self._places.release()

    def _count(self, line: Line, came: Came) -> None:
        self.counts[came] += 1
        self._note(line, came)
