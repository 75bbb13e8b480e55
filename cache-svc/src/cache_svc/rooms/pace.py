"""How much is said in a room, second by second. Pure; the script of the rooms in Redis does the same."""


class Pace:
    """At most `max_rate` messages, of `max_byte_rate` bytes, in each second of the clock."""

    def __init__(self, max_rate: int, max_byte_rate: int) -> None:
        self._max_rate = max_rate
        self._max_byte_rate = max_byte_rate
        self._second = 0
        self._count = 0
        self._bytes = 0

    def admits(self, size: int, now: float) -> bool:
        """Whether one more of `size` bytes may be said now; then it counts."""
        if self._second != int(now):
            self._second, self._count, self._bytes = int(now), 0, 0
        if self._count >= self._max_rate or self._bytes + size > self._max_byte_rate:
            return False
        self._count += 1
        self._bytes += size
        return True
