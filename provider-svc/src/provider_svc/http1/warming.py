"""Connections that are opened ahead of need, by one task while any is missing."""

import asyncio
from collections.abc import Awaitable, Callable

from provider_svc.http1.counts import Counts
from provider_svc.http1.faults import WireFault

AT_ONCE = 32
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two rounds; a server may close at once what it has accepted


class Warming:
    """`count_missing` says how many connections are missing now; `open_ahead` opens one and keeps it, or raises a WireFault.

    A failure is counted and nothing else: the first call that needs a connection will hear of it. Made inside a running loop;
    `close` ends it.
    """

    def __init__(
        self,
        count_missing: Callable[[], int],
        open_ahead: Callable[[], Awaitable[None]],
        counts: Counts,
        pause: float = SHORTEST_PAUSE,
    ) -> None:
        self._count_missing = count_missing
        self._open_ahead = open_ahead
        self._counts = counts
        self._pause = pause
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def wake(self) -> None:
        """Opens what is missing, unless that is under way."""
        if self._is_closed or self._task is not None or not self._count_missing():
            return
        self._task = asyncio.create_task(self._run(), name="warm connections")
        self._task.add_done_callback(self._rest)

    def close(self) -> None:
        """Opens nothing any more."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        pause = self._pause
        while missing := self._count_missing():
            failures = await self._open(min(missing, AT_ONCE))
            pause = min(2 * pause, LONGEST_PAUSE) if failures else self._pause
            await asyncio.sleep(pause)

    async def _open(self, number: int) -> int:
        """Opens so many at once; how many failed."""
        outcomes = await asyncio.gather(*(self._open_ahead() for _ in range(number)), return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        self._counts.warm_failures.inc(len(failures))
        for failure in failures:
            if not isinstance(failure, WireFault):
                raise failure
        return len(failures)

    def _rest(self, task: "asyncio.Task[None]") -> None:
        """What went missing in the task's last step is the next one's."""
        self._task = None
        if not task.cancelled() and task.exception() is None:
            self.wake()
