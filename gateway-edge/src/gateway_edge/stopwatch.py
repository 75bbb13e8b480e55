"""Where a call's time went: exclusive time of each middleware, for `Server-Timing`, metrics and spans."""

from time import perf_counter

OUTSIDE = "door"  # the stage outside every middleware


class Stopwatch:
    """Exclusive times of the stages of one call; one stage runs at a time."""

    __slots__ = ("_seconds", "_since", "_stage")

    def __init__(self) -> None:
        self._seconds = {OUTSIDE: 0.0}
        self._stage = OUTSIDE
        self._since = perf_counter()

    def switch(self, stage: str) -> str:
        """Ends the running stage's turn and begins that of `stage`; returns the one that ran, to come back to."""
        now, before, seconds = perf_counter(), self._stage, self._seconds
        seconds[before] += now - self._since
        if stage not in seconds:
            seconds[stage] = 0.0
        self._stage, self._since = stage, now
        return before

    def read(self) -> dict[str, float]:
        """Each stage that has run so far, in the order of their beginnings, and its seconds, the running one included."""
        self.switch(self._stage)
        return self._seconds

    def server_timing(self) -> str:
        """The `Server-Timing` header (https://www.w3.org/TR/server-timing/), milliseconds."""
        return ", ".join([f"{name};dur={seconds * 1000:.3f}" for name, seconds in self.read().items()])
