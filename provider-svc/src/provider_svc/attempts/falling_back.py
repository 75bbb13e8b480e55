"""Goes on with the routes that the configuration names as fallbacks, when a route's own targets could not answer."""

from provider_svc.attempts.asking import Asking, Landing, find_failure
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.verdict import Verdict, judge, was_sent
from provider_svc.health.budget import Budget
from provider_svc.telemetry import Telemetry


class FallingBack:
    """Asks `inner` once a leg. What follows a failure upstream is paid from `budget`."""

    def __init__(self, inner: Asking, budget: Budget, telemetry: Telemetry) -> None:
        self._inner = inner
        self._budget = budget
        self._telemetry = telemetry

    async def ask(self, journey: Journey, landing: Landing) -> None:
        """See `Asking.ask`. Raises the last failure."""
        while (failure := await find_failure(self._inner, journey, landing)) is not None:
            if landing.has_begun or judge(failure) is Verdict.STOP or journey.is_exhausted:
                raise failure
            if not journey.take_next_leg() or (was_sent(failure) and not self._budget.spend()):
                raise failure
            self._telemetry.note_extra(journey.leg.route, "fallback", failure.reason)
