"""Outlier ejection: leaves a target alone of whose calls too great a share fails, though never several in a row."""

from chassis.config.providers import Ejection as Settings

BUCKETS = 10
MOST_PAUSES = 10  # in a row, each as long again


class Ejection:
    """Counts calls and failures within a sliding interval. `settings` may be replaced at any time."""

    __slots__ = ("_at", "_calls", "_failures", "_in_a_row", "settings", "until")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.until = 0.0
        self._in_a_row = 0
        self._at = 0  # the number of the newest bucket, in tenths of the interval
        self._calls = [0] * BUCKETS
        self._failures = [0] * BUCKETS

    def recent(self, now: float) -> tuple[int, int]:
        """Calls within the interval, and those of them that failed."""
        self._advance(now)
        return sum(self._calls), sum(self._failures)

    def note(self, now: float, *, failed: bool) -> float:
        """A call is over. How many seconds the target is left alone, where this was too much; else 0."""
        place = self._advance(now)
        self._calls[place] += 1
        if not failed:
            return 0.0
        self._failures[place] += 1
        if now < self.until:
            return 0.0
        calls, failures = sum(self._calls), sum(self._failures)
        if calls < self.settings.calls or failures < self.settings.share * calls:
            return 0.0
        return self._eject(now)

    def _eject(self, now: float) -> float:
        """Each time it happens soon again, for longer."""
        is_soon = now < self.until + self.settings.interval
        self._in_a_row = min(self._in_a_row + 1, MOST_PAUSES) if is_soon else 1
        pause = self.settings.pause * self._in_a_row
        self.until = now + pause
        self._calls, self._failures = [0] * BUCKETS, [0] * BUCKETS
        return pause

    def _advance(self, now: float) -> int:
        """The place of the bucket of this moment; those that are too old are emptied."""
        at = int(now * BUCKETS / self.settings.interval) if self.settings.interval else 0
        if at > self._at:
            for number in range(max(self._at + 1, at - BUCKETS + 1), at + 1):
                self._calls[number % BUCKETS] = self._failures[number % BUCKETS] = 0
            self._at = at
        return self._at % BUCKETS

    def __repr__(self) -> str:
        return f"Ejection({sum(self._failures)} of {sum(self._calls)} failed, until {self.until:.1f})"
