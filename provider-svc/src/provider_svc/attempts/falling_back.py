"""Goes on with the routes that the configuration names as fallbacks, when a route's own targets could not answer."""

from chassis.errors import RunestoneError
from provider_svc.attempts.asking import Asking, Landing
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
        while (failure := await self._try(journey, landing)) is not None:
            if not journey.take_next_leg() or (was_sent(failure) and not self._budget.spend()):
                raise failure
            self._telemetry.note_extra(journey.leg.route, "fallback", failure.reason)

    async def _try(self, journey: Journey, landing: Landing) -> RunestoneError | None:
        """What kept a route from answering; None when it answered. Raises what no other route would mend."""
        try:
            await self._inner.ask(journey, landing)
        except RunestoneError as failure:
            if landing.has_begun or judge(failure) is Verdict.STOP or journey.is_exhausted:
                raise
            return failure
        return None
