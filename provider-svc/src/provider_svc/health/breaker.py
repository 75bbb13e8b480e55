"""A circuit breaker: leaves a target alone that fails again and again, and finds out with a few calls whether it is well again.

M. Nygard, Release It! (2007). Calls are told apart by when they began: what began before the breaker opened says nothing about now.
"""

from enum import Enum, auto

from chassis.config.providers import Breaker as Settings
from provider_svc.health.outcome import Outcome


class State(Enum):
    """Whether calls go to a target."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()
    EJECTED = auto()


class Breaker:
    """Opens after so many failures in a row. `settings` may be replaced at any time."""

    __slots__ = ("_expires", "_failures", "_is_open", "_opened", "_pause", "_probes", "_until", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._is_open = False
        self._failures = 0  # in a row
        self._pause = 0.0
        self._opened = self._until = 0.0
        self._expires = 0.0  # of what another replica said; 0 for what was found out here
        self._probes = 0  # that run

    def state(self, now: float) -> State:
        """CLOSED, OPEN, or HALF_OPEN once the pause is over."""
        if not self._is_open:
            return State.CLOSED
        if self._expires and now >= self._expires:
            self._close()
            return State.CLOSED
        return State.HALF_OPEN if now >= self._until else State.OPEN

    def admits(self, now: float) -> bool:
        """Whether a call may go there: half-open only as many as find out."""
        if not self._is_open:
            return True
        state = self.state(now)
        return state is State.CLOSED or (state is State.HALF_OPEN and self._probes < self.settings.probes)

    @property
    def until(self) -> float:
        """The end of the pause."""
        return self._until

    def enter(self, now: float) -> None:
        """A call begins."""
        if self._is_open and self.state(now) is State.HALF_OPEN:
            self._probes += 1

    def leave(self, outcome: Outcome, started: float, now: float) -> float:
        """A call that began at `started` is over. How many seconds the breaker stays open, where this opened it; else 0."""
        if not self._is_open:
            return self._count(outcome, now)
        if started < self._opened:
            return 0.0
        is_probe = started >= self._until
        if is_probe and self._probes:
            self._probes -= 1
        if outcome is Outcome.ANSWERED:
            self._close()
        elif outcome is Outcome.FAILED and is_probe:
            self._pause = min(self._pause * 2 or self.settings.pause, self.settings.max_pause)
            return self._open(now)
        return 0.0

    def suspect(self, until: float, now: float) -> None:
        """Another replica's breaker is open: for as long, a few calls find out here what would need several failures otherwise."""
        if not self._is_open:
            self._is_open = True
            self._opened = self._until = now
            self._expires = min(until, now + self.settings.max_pause)
            self._probes = 0

    def _count(self, outcome: Outcome, now: float) -> float:
        if outcome is Outcome.ANSWERED:
            self._failures = 0
        elif outcome is Outcome.FAILED:
            self._failures += 1
            if self._failures >= self.settings.failures:
                self._pause = self.settings.pause
                return self._open(now)
        return 0.0

    def _open(self, now: float) -> float:
        self._is_open = True
        self._opened, self._until, self._expires, self._probes = now, now + self._pause, 0.0, 0
        return self._pause

    def _close(self) -> None:
        self._is_open = False
        self._failures = self._probes = 0
        self._pause = self._expires = 0.0

    def __repr__(self) -> str:
        state = f"open until {self._until:.1f}" if self._is_open else "closed"
        return f"Breaker({state}, {self._failures} failures in a row, {self._probes} probes)"
