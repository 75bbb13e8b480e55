"""How many calls ended lately, and how many of them failed, at the same small cost however many there were."""

BUCKETS = 10
_SHORTEST = 0.001  # seconds of a bucket


class Window:
    """Counts over the last `interval` seconds, in ten buckets: what is older is never counted, what is younger than nine tenths of it
    always."""

    __slots__ = ("_calls", "_failures", "_slot", "_width", "calls", "failures")

    def __init__(self, interval: float) -> None:
        self._width = max(interval / BUCKETS, _SHORTEST)
        self.clear()

    def clear(self) -> None:
        """Forgets all."""
        self._calls = [0] * BUCKETS
        self._failures = [0] * BUCKETS
        self._slot = 0
        self.calls = 0
        self.failures = 0

    def add(self, now: float, *, failed: bool) -> None:
        """A call has ended."""
        slot = int(now / self._width)
        if slot > self._slot:
            self._move_to(slot)
        index = self._slot % BUCKETS
        self._calls[index] += 1
        self.calls += 1
        if failed:
            self._failures[index] += 1
            self.failures += 1

    def move(self, now: float) -> None:
        """Drops from the counts what is too old by `now`."""
        slot = int(now / self._width)
        if slot > self._slot:
            self._move_to(slot)

    def _move_to(self, slot: int) -> None:
        for each in range(max(self._slot, slot - BUCKETS) + 1, slot + 1):
            self._empty(each % BUCKETS)
        self._slot = slot

    def _empty(self, index: int) -> None:
        self.calls -= self._calls[index]
        self.failures -= self._failures[index]
        self._calls[index] = self._failures[index] = 0
