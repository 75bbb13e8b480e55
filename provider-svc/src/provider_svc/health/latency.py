"""How soon a target's answers begin, of late and at worst."""

import math
from collections import deque

DECAY = 10.0  # seconds in which what was measured loses most of its weight
KEPT = 128  # answers
FEWEST = 20  # of which a percentile is told
FRESHNESS = 16  # answers after which it is found anew


class PeakEwma:
    """A moving average that jumps up to a peak at once and comes down slowly, as in Twitter's Finagle."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._value: float | None = None
        self._at = 0.0

    def add(self, seconds: float, now: float) -> None:
        """One answer more."""
        before = self.read(now)
        if before is None or seconds >= before:
            self._value = seconds
        else:
            weight = math.exp(-(now - self._at) / DECAY)
            self._value = before * weight + seconds * (1 - weight)
        self._at = now

    def read(self, now: float) -> float | None:  # noqa: ARG002  a peak does not fade while nobody measures
        """Seconds; None before the first answer."""
        return self._value


class Percentile:
    """The time within which 95 % of the last answers began."""

    __slots__ = ("_found", "_last", "_new")

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=KEPT)
        self._new = 0
        self._found: float | None = None

    def add(self, seconds: float) -> None:
        """One answer more."""
        self._last.append(seconds)
        self._new += 1

    def read(self) -> float | None:
        """Seconds; None before there are enough answers. At most a few answers old."""
        if len(self._last) >= FEWEST and (self._found is None or self._new >= FRESHNESS):
            self._new = 0
            self._found = sorted(self._last)[math.ceil(len(self._last) * 0.95) - 1]
        return self._found
