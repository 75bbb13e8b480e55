"""What is left to be tried of one route. Pure: time comes in."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chassis.errors import Reason, RunestoneError
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.stop import Stop
from provider_svc.attempts.verdict import Verdict, judge


class Step(NamedTuple):
    """Where a call goes next, why, and after how many seconds."""

    stop: Stop
    why: str
    pause: float = 0.0


class Leg:
    """The targets of one route in the order in which they are asked, the first of them for the reason `why`. `attempts` are those of the
    whole call; `draw` gives numbers in [0, 1)."""

    __slots__ = ("_attempts", "_draw", "_stops", "_why", "is_strict", "route")

    def __init__(
        self,
        route: str,
        stops: Sequence[Stop],
        why: str,
        attempts: Sequence[Attempt],
        draw: Callable[[], float],
        *,
        is_strict: bool,
    ) -> None:
        self.route = route
        self.is_strict = is_strict
        self._stops = stops
        self._why = why
        self._attempts = attempts
        self._draw = draw

    def begin(self, now: float) -> Step | None:
        """Where the call goes first; None when no target is well."""
        stop = self.find_other(now)
        return Step(stop, self._why) if stop is not None else None

    def begin_anyhow(self, now: float) -> Step | None:
        """The same where no other route is left; None when every target is left alone and has its last resorts already."""
        stop = self._find_last_resort(now)
        return Step(stop, self._why) if stop is not None else None

    def find_other(self, now: float) -> Stop | None:
        """The next target that is well and was not tried."""
        for stop in self._stops:
            if stop.health.is_well(now) and not self._list_tries(stop):
                return stop
        return None

    def go_on(self, error: RunestoneError, now: float) -> Step | None:
        """Where the call goes behind its last failure; None when nothing is left that is well and might help."""
        verdict = judge(error)
        if verdict is Verdict.STOP:
            return None
        last = self._attempts[-1].stop
        if verdict is Verdict.PRESSURE and error.retry_after == 0.0 and len(self._list_tries(last)) < last.seat.keys:
            return Step(last, "retry")  # with another of its keys
        if (other := self.find_other(now)) is not None:
            return Step(other, "failover")
        return self._find_again(now)

    def go_on_anyhow(self, error: RunestoneError, now: float) -> Step | None:
        """The same where no other route is left: as a last resort."""
        if judge(error) is Verdict.STOP:
            return None
        if (other := self._find_last_resort(now)) is not None:
            return Step(other, "failover")
        return self._find_again(now, is_last_resort=True)

    def find_hint(self, last: RunestoneError) -> float | None:
        """The soonest time, in seconds, at which to come back as the `last` failure says, or one of the targets that were tried."""
        failures = [last, *(attempt.failure for attempt in self._attempts if attempt.failure is not None)]
        return min((error.retry_after for error in failures if error.retry_after is not None), default=None)

    def tell_when(self, now: float) -> float:
        """In how many seconds one of the targets is tried again."""
        return max(0.0, min(stop.health.retry_at(now) for stop in self._stops) - now)

    def _list_tries(self, stop: Stop) -> list[Attempt]:
        """The upstream calls that run there, or failed; of one that lost against another nothing is known."""
        tries = (attempt for attempt in self._attempts if attempt.stop is stop)
        return [attempt for attempt in tries if attempt.reason is not Reason.CANCELLED]

    def _find_last_resort(self, now: float) -> Stop | None:
        for stop in self._stops:
            if stop.health.admits_resort(now) and not self._list_tries(stop):
                return stop
        return None

    def _find_again(self, now: float, *, is_last_resort: bool = False) -> Step | None:
        """The target that was tried least, where trying it once more may help; as a last resort also one whose breaker others have opened
        meanwhile, for what fails at once may come back at once."""
        for stop in sorted(self._stops, key=lambda stop: len(self._list_tries(stop))):
            tries = self._list_tries(stop)
            may = stop.health.admits_resort(now) if is_last_resort else stop.health.admits(now)
            if may and tries and (failure := tries[-1].failure) is not None:
                pause = self._find_pause(stop, len(tries), failure)
                if pause is not None:
                    return Step(stop, "retry", pause)
        return None

    def _find_pause(self, stop: Stop, tries: int, failure: RunestoneError) -> float | None:
        """Seconds until `stop` may be asked once more; None when it may not. A hint is kept exactly, else lots are drawn."""
        retries, verdict = stop.seat.configured.retries, judge(failure)
        if verdict not in {Verdict.AGAIN, Verdict.PRESSURE} or tries > retries.attempts:
            return None
        if failure.retry_after is not None:
            return failure.retry_after if failure.retry_after <= retries.max_hint else None
        if verdict is Verdict.PRESSURE:
            return None  # it did not say when
        longest: float = min(retries.max_backoff, retries.backoff * 2 ** (tries - 1))
        return self._draw() * longest
