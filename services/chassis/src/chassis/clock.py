"""Time from outside, so that tests own it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one to measure with, one to date with."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never steps back. Deadlines and durations are measured with it."""

    def time(self) -> float:
        """Seconds since the Unix epoch; may jump. Records are dated with it."""


class SystemClock:
    """The machine's clocks."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
