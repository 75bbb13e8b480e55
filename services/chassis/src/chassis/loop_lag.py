"""How late the event loop is: what waits for the loop of a busy process is this late too."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.clock import Clock
from chassis.metrics import Metrics

INTERVAL = 1.0  # seconds between two looks
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class LoopLag:
    """Looks once in a while how much later than asked it is called; `watch` is the background work."""

    def __init__(
        self, metrics: Metrics, clock: Clock, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lags = metrics.histogram("loop_lag_seconds", "How late the event loop ran a timer", (), BUCKETS)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            asked = self._clock.monotonic()
            await self._sleep(INTERVAL)
            self._lags.observe(max(0.0, self._clock.monotonic() - asked - INTERVAL))
