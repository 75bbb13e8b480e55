"""Tries again, elsewhere or here, what failed before anything of it was the client's."""

import asyncio

from chassis.clock import Clock
from chassis.errors import RunestoneError
from provider_svc.attempts.asking import Asking, Landing, find_failure
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.leg import Step
from provider_svc.attempts.verdict import Verdict, judge, was_sent
from provider_svc.health.budget import Budget
from provider_svc.telemetry import Telemetry


class Retrying:
    """Goes down a leg's targets. Every upstream call behind a failure is paid from `budget`, so that a provider in trouble is not asked
    many times as often as in good times."""

    def __init__(self, inner: Asking, budget: Budget, telemetry: Telemetry, clock: Clock) -> None:
        self._inner = inner
        self._budget = budget
        self._telemetry = telemetry
        self._clock = clock

    async def ask(self, journey: Journey, landing: Landing) -> None:
        """See `Asking.ask`. Raises the last failure; of those before it the soonest hint when to come back."""
        if journey.is_new:
            self._budget.earn()
        while (failure := await find_failure(self._inner, journey, landing)) is not None:
            if landing.has_begun:
                raise failure
            step = self._find_step(journey, landing, failure)
            if step is None:
                if judge(failure) is not Verdict.STOP:
                    failure.retry_after = journey.leg.find_hint(failure)
                raise failure
            self._telemetry.note_extra(journey.leg.route, step.why, failure.reason)
            if step.pause:
                await asyncio.sleep(step.pause)
            journey.step = step

    def _find_step(self, journey: Journey, landing: Landing, error: RunestoneError) -> Step | None:
        """What follows `error`, when it may: within the deadline, the bound of one call and the budget of all."""
        now = self._clock.monotonic()
        if journey.is_exhausted or not journey.attempts:
            return None
        step = journey.go_on(error, now)
        if step is None or now + step.pause >= landing.deadline:
            return None
        return step if not was_sent(error) or self._budget.spend() else None
