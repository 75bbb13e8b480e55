"""A clock that a test owns."""


class FakeClock:
    """Time that passes only when told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        self._now += seconds

    def monotonic(self) -> float:
        """Same as `time`."""
        return self._now

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._now
