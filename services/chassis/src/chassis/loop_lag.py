"""How late the event loop is: what waits for the loop of a busy process is this late too."""

import asyncio
from collections.abc import Callable
from typing import Protocol, Self

from chassis.clock import Clock
from chassis.metrics import Metrics

INTERVAL = 1.0  # seconds between two looks
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Timer(Protocol):
    """What is needed of an event loop."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> asyncio.TimerHandle:
        """Calls back in `delay` seconds, or later."""


class LoopLag:
    """Looks once in a while how much later than asked it is called back, while its context is open. A timer and no task: it costs some
    microseconds a second."""

    def __init__(self, metrics: Metrics, clock: Clock, timer: Timer) -> None:
        self._clock = clock
        self._timer = timer
        self._lags = metrics.histogram("loop_lag_seconds", "How late the event loop ran a timer", (), BUCKETS)

    async def __aenter__(self) -> Self:
        self._wait()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._handle.cancel()

    def _wait(self) -> None:
        self._due = self._clock.monotonic() + INTERVAL
        self._handle = self._timer.call_later(INTERVAL, self._look)

    def _look(self) -> None:
        self._lags.observe(max(0.0, self._clock.monotonic() - self._due))
        self._wait()
