"""Leaves a target alone that fails now and then: too seldom in a row for its breaker, too often for its callers."""

from chassis.config.providers import Ejection
from provider_svc.health.window import Window

LONGEST = 10  # times the pause


class Ejector:
    """Ejects one target for `pause` when `share` of at least `calls` failed within `interval`.

    The pause is as many times longer as ejections follow each other, at most ten times; each interval behind an ejection in which nothing
    happened takes one from the count. The first moment behind an ejection begins with an empty window: nobody is punished twice.
    """

    __slots__ = ("_in_a_row", "_must_forget", "_window", "settings", "until")

    def __init__(self, settings: Ejection) -> None:
        self.settings = settings
        self.until = 0.0
        self._in_a_row = 0
        self._must_forget = False
        self._window = Window(settings.interval)

    def configure(self, settings: Ejection) -> None:
        """Other settings hold from now on; a running ejection stays as it is."""
        if settings.interval != self.settings.interval:
            self._window = Window(settings.interval)
        self.settings = settings

    def count(self, now: float, *, failed: bool) -> None:
        """A call has ended that says something of the target."""
        if self._must_forget:
            self._maybe_forget(now)
        self._window.add(now, failed=failed)

    def judge(self, now: float) -> float:
        """For how many seconds the target is ejected now; 0 where it is not, or is already."""
        window, settings = self._window, self.settings
        if now < self.until or window.calls < settings.calls or window.failures / window.calls < settings.share:
            return 0.0
        self._in_a_row = min(self._in_a_row - self._calm_intervals(now), LONGEST - 1) + 1
        pause = settings.pause * self._in_a_row
        self.until = now + pause
        self._must_forget = True
        return pause

    def forget(self) -> None:
        """What was counted belongs to a time for which the target was left alone."""
        self._window.clear()

    def recent(self, now: float) -> tuple[int, int]:
        """How many calls ended within the interval, and how many of them failed."""
        if self._must_forget:
            self._maybe_forget(now)
        self._window.move(now)
        return self._window.calls, self._window.failures

    def _maybe_forget(self, now: float) -> None:
        if now >= self.until:
            self._must_forget = False
            self._window.clear()

    def _calm_intervals(self, now: float) -> int:
        """How many of the ejections in a row are made up for."""
        interval = self.settings.interval
        calm = int((now - self.until) / interval) if interval else self._in_a_row
        return min(calm, self._in_a_row)

    def __repr__(self) -> str:
        return f"Ejector({self._window.failures}/{self._window.calls} failed, {self._in_a_row} ejections in a row)"
