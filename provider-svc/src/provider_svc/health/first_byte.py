"""How soon a target begins to answer: a mean that is quick to believe the worst, and the time within which nearly all begin."""

from collections import deque
from math import ceil, exp

DECAY = 10.0  # seconds in which a peak fades to 37 %
KEPT = 128
ENOUGH = 20  # fewer answers say nothing about one in twenty
SORTED_EVERY = 16


class FirstBytes:
    """The times of one target's first bytes, in seconds.

    The mean is Finagle's peak EWMA (https://twitter.github.io/finagle/guide/Clients.html#power-of-two-choices-p2c-least-loaded): it jumps to a
    time above it at once and comes down slowly, also while nothing is asked, so that a target that was slow gets another chance.
    """

    __slots__ = ("_mean", "_moment", "_p95", "_times", "_unsorted")

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=KEPT)
        self._mean = 0.0
        self._moment = 0.0
        self._p95 = 0.0
        self._unsorted = SORTED_EVERY

    def add(self, seconds: float, now: float) -> None:
        """An answer began after `seconds`."""
        if seconds >= self._mean:
            self._mean = seconds
        else:
            kept = exp(min(self._moment - now, 0.0) / DECAY)
            self._mean = seconds + (self._mean - seconds) * kept
        self._moment = now
        self._times.append(seconds)
        self._unsorted += 1

    def mean(self, now: float) -> float | None:
        """The peak EWMA as it has decayed by `now`; None before the first answer."""
        return self._mean * exp(min(self._moment - now, 0.0) / DECAY) if self._times else None

    @property
    def p95(self) -> float | None:
        """Within how much 95 % of the last 128 answers began, at most 15 answers ago; None before there are 20."""
        count = len(self._times)
        if count < ENOUGH:
            return None
        if self._unsorted >= SORTED_EVERY:
            self._p95 = sorted(self._times)[ceil(0.95 * count) - 1]
            self._unsorted = 0
        return self._p95
