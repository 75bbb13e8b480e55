"""Where a call's time went: exclusive time of each middleware, for `Server-Timing` and metrics."""

from time import perf_counter


class Stopwatch:
    """Exclusive times of the stages of one call; one stage runs at a time, stage 0 is what lies outside all of them."""

    __slots__ = ("_names", "_seconds", "_since", "_stage")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._seconds = [0.0] * len(names)
        self._stage = 0
        self._since = perf_counter()

    def switch(self, stage: int) -> None:
        """Ends the running stage's turn and begins that of `stage`."""
        now = perf_counter()
        self._seconds[self._stage] += now - self._since
        self._stage, self._since = stage, now

    def read(self) -> list[tuple[str, float]]:
        """Each stage that has run so far and its seconds, the running one included."""
        self.switch(self._stage)
        return [(name, seconds) for name, seconds in zip(self._names, self._seconds, strict=True) if seconds]

    def server_timing(self) -> str:
        """The `Server-Timing` header (https://www.w3.org/TR/server-timing/), milliseconds."""
        return ", ".join([f"{name};dur={seconds * 1000:.3f}" for name, seconds in self.read()])
