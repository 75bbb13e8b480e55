"""Lets a stream that broke off in the middle go on at another target, where its route wants that and its words can be gone on with."""

import asyncio

from chassis.billing.estimate import Passed
from chassis.clock import Clock
from chassis.errors import RunestoneError
from provider_svc.attempts.asking import Asking, Landing, Passing, find_failure
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.verdict import Verdict, judge
from provider_svc.dialects.weaving import Weaving
from provider_svc.health.budget import Budget
from provider_svc.pricing.bill import NOTHING, Owed
from provider_svc.provider import Chunk
from provider_svc.telemetry import Telemetry

CONTINUE = "continue"


class Continuing:
    """Asks `inner` once for each part of a stream; what the parts have in common is the journey's weaving. Each further part is paid from
    `budget`."""

    def __init__(self, inner: Asking, budget: Budget, telemetry: Telemetry, clock: Clock) -> None:
        self._inner = inner
        self._budget = budget
        self._telemetry = telemetry
        self._clock = clock

    async def ask(self, journey: Journey, landing: Landing) -> None:
        """See `Asking.ask`. Raises the failure of the last part."""
        weaving = self._open_weaving(journey)
        if weaving is None:
            await self._inner.ask(journey, landing)
            return
        stretch = Stretch(landing)
        while (failure := await find_failure(self._inner, journey, stretch)) is not None:
            if not stretch.has_begun:
                raise failure
            weaving.break_off(stretch.owed.usage)
            if not self._may_go_on(journey, stretch, weaving, failure):
                raise failure
            self._telemetry.note_extra(journey.leg.route, CONTINUE, failure.reason)
            if journey.step is not None and journey.step.pause:
                await asyncio.sleep(journey.step.pause)
            stretch = Stretch(landing, is_first=False)

    def _open_weaving(self, journey: Journey) -> Weaving | None:
        ask = journey.ask
        if not ask.stream or ask.kept is not None:
            return None
        weaving = Weaving(ask.dialect, ask.members, int(self._clock.time()))
        journey.weaving = weaving if weaving.is_possible else None
        return journey.weaving

    def _may_go_on(self, journey: Journey, stretch: "Stretch", weaving: Weaving, failure: RunestoneError) -> bool:
        """Whether another part is asked for; then the journey knows where."""
        now = self._clock.monotonic()
        if judge(failure) is Verdict.STOP or not weaving.can_continue or journey.is_exhausted:
            return False
        step = journey.go_on(failure, now)
        if now + (step.pause if step is not None else 0.0) >= stretch.deadline:
            return False
        if step is None:
            return journey.take_next_leg() and self._budget.spend()
        journey.step = step._replace(why=CONTINUE)
        return self._budget.spend()


class Stretch(Passing):
    """Where one part of a stream goes: to the landing, behind the parts before. Until its first chunk has come another may take its
    place."""

    def __init__(self, landing: Landing, *, is_first: bool = True) -> None:
        super().__init__(landing)
        self._is_first = is_first
        self._attempt: Attempt | None = None
        self._passed = Passed()
        self.has_begun = False
        self.has_room, self.wait_for_room = landing.has_room, landing.wait_for_room

    @property
    def owed(self) -> Owed:
        """What this part came to; there may be later upstream calls, which lost against its own."""
        return self._attempt.owed if self._attempt is not None else NOTHING

    def accept(self, attempt: Attempt) -> None:
        """Told of the first part only; the client is in the middle of the others."""
        self._attempt = attempt
        if self._is_first:
            self._landing.accept(attempt)

    def add(self, chunk: Chunk) -> None:
        """Passes it on."""
        if not self.has_begun:
            self.has_begun = True
            if not self._is_first and self._attempt is not None:
                self._landing.accept(self._attempt)
        self._passed.add(chunk.body)
        self._landing.add(chunk)

    def measure(self) -> Passed:
        """What has come of this part."""
        return self._passed
