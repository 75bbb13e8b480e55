"""What is left to be tried of one route. Pure: time comes in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chassis.config.models import Target
from chassis.errors import RunestoneError
from provider_svc.attempts.verdict import Verdict, judge
from provider_svc.health import TargetHealth
from provider_svc.seats import Seat

LAST_RESORTS = 32  # calls at once to a target that is left alone, for want of any other


@dataclass(slots=True)
class Stop:
    """A target where a call may go, its provider, how it is, and why it stands where it does in the order. `tries` is how often the call
    has been there, `failure` what came of it last."""

    target: Target
    seat: Seat
    health: TargetHealth
    why: str
    label: str
    is_last_resort: bool = False
    tries: int = 0
    failure: RunestoneError | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """Where a call goes next, why, and after how many seconds."""

    stop: Stop
    why: str
    pause: float = 0.0


class Leg:
    """The targets of one route in the order in which they are asked, the first of them for the reason `why` where one is given. `draw`
    gives numbers in [0, 1)."""

    def __init__(
        self, route: str, stops: Sequence[Stop], draw: Callable[[], float], *, is_strict: bool, why: str = ""
    ) -> None:
        self.route = route
        self.is_strict = is_strict
        self._why = why
        self._stops = stops
        self._draw = draw

    @property
    def stops(self) -> Sequence[Stop]:
        """All targets, those that were tried too."""
        return self._stops

    def begin(self, now: float) -> Step | None:
        """Where the call goes first; None when every target is left alone and has its last resorts already."""
        stop = self._find_well(now) or self._find_last_resort(now)
        return Step(stop, self._why or stop.why) if stop is not None else None

    def find_other(self, now: float) -> Stop | None:
        """Another target that is well and has not been tried: for a hedge."""
        return self._find_well(now)

    def go_on(self, stop: Stop, error: RunestoneError, now: float) -> Step | None:
        """Where the call goes when `stop` has failed it with `error`; None when nothing is left that might help."""
        verdict = judge(error)
        if verdict is Verdict.STOP:
            return None
        if verdict is Verdict.PRESSURE and stop.seat.has_other_key():
            return Step(stop, "retry")  # with another of its keys
        if (other := self._find_well(now)) is not None:
            return Step(other, "failover")
        if (again := self._find_again(now)) is not None:
            return again
        other = self._find_last_resort(now)
        return Step(other, "failover") if other is not None else None

    def find_hint(self) -> float | None:
        """The soonest time, in seconds, at which one of the targets that were tried said to come back."""
        return min(
            (stop.failure.retry_after for stop in self._stops if stop.failure and stop.failure.retry_after),
            default=None,
        )

    def tell_when(self, now: float) -> float:
        """In how many seconds one of the targets is tried again."""
        return max(0.0, min(stop.health.retry_at(now) for stop in self._stops) - now)

    def _find_well(self, now: float) -> Stop | None:
        for stop in self._stops:
            if not stop.tries and stop.health.admits(now):
                return stop
        return None

    def _find_last_resort(self, now: float) -> Stop | None:
        for stop in self._stops:
            if not stop.tries and not stop.health.admits(now) and stop.health.running < LAST_RESORTS:
                return stop
        return None

    def _find_again(self, now: float) -> Step | None:
        """The target that was tried least, where trying it once more may help."""
        for stop in sorted(self._stops, key=lambda stop: stop.tries):
            if stop.failure is not None and stop.health.admits(now):
                pause = self._find_pause(stop, stop.failure)
                if pause is not None:
                    return Step(stop, "retry", pause)
        return None

    def _find_pause(self, stop: Stop, failure: RunestoneError) -> float | None:
        """Seconds until `stop` may be asked once more; None when it may not. A hint is kept exactly, else lots are drawn."""
        retries = stop.seat.configured.retries
        if judge(failure) not in {Verdict.AGAIN, Verdict.PRESSURE} or stop.tries > retries.attempts:
            return None
        if failure.retry_after:
            return failure.retry_after if failure.retry_after <= retries.max_hint else None
        if judge(failure) is Verdict.PRESSURE:
            return None  # it did not say when
        longest: float = min(retries.max_backoff, retries.backoff * 2 ** (stop.tries - 1))
        return self._draw() * longest
