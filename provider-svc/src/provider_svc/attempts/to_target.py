"""The innermost: one upstream call to one target, seen by its health, its span and its metrics."""

import asyncio

from chassis.clock import Clock
from chassis.context import current as current_call
from chassis.errors import Reason, RunestoneError
from provider_svc.attempts.asking import Landing
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.verdict import was_sent
from provider_svc.health.breaker import Entry
from provider_svc.health.outcome import Outcome, outcome_of
from provider_svc.provider import Begun, Chunk
from provider_svc.telemetry import COMPLETED, Telemetry


class ToTarget:
    """Asks where the journey says, once."""

    def __init__(self, telemetry: Telemetry, clock: Clock) -> None:
        self._telemetry = telemetry
        self._clock = clock

    async def ask(self, journey: Journey, landing: Landing) -> None:
        """See `Asking.ask`. Raises also PROVIDER_OVERLOADED when every target is left alone."""
        await self.make(journey.depart(self._clock.monotonic()), landing)

    async def make(self, attempt: Attempt, landing: Landing) -> None:
        """Makes one upstream call to its end. Raises and promises what `Asking.ask` does."""
        health = attempt.stop.health
        entry = health.enter(attempt.started)
        outcome = Outcome.NEUTRAL
        reason: Reason | None = Reason.CANCELLED
        try:
            await self._call(attempt, entry, landing)
            outcome, reason = Outcome.ANSWERED, None
        except RunestoneError as error:
            attempt.failure, attempt.is_sent = error, error.may_have_begun
            outcome, reason = outcome_of(error), error.reason
            if outcome is Outcome.PRESSURE and was_sent(error):
                health.note_pressure(error.retry_after, attempt.started, self._clock.monotonic())
            raise
        except asyncio.CancelledError:
            if landing.stopped_by is not None:
                reason = landing.stopped_by.reason
            raise
        except Exception:
            reason = Reason.INTERNAL
            raise
        finally:
            attempt.ended, attempt.reason = self._clock.monotonic(), reason
            if reason is not None:
                attempt.owed = attempt.estimate(landing.measure())
            health.leave(outcome, attempt.ended, reason, entry)
            self._telemetry.note_end(attempt, reason or COMPLETED)

    async def _call(self, attempt: Attempt, entry: Entry, landing: Landing) -> None:
        """Inside its span. Only while prices are being read, at start, the end of a whole answer waits for them."""
        approach = Approach(attempt, entry, landing, self._telemetry, self._clock)
        with self._telemetry.span(attempt) as span:
            if span is not None:
                attempt.trace = current_call().trace
                landing.note_trace(attempt.trace)
            if attempt.call.weaving is not None:
                attempt.call.weaving.mark(f"continued by {attempt.provider}/{attempt.model}")
            try:
                await attempt.stop.seat.provider.call(attempt.call, approach)
            finally:
                self._telemetry.describe(span, attempt)
        approach.finish()
        if attempt.bill is not None:
            await attempt.bill.settle()
            attempt.owed = attempt.bill.close()


class Approach:
    """Where a provider's answer goes: to the landing, past what notes when it began."""

    __slots__ = (
        "_add",
        "_attempt",
        "_clock",
        "_entry",
        "_has_come",
        "_is_held",
        "_landing",
        "_telemetry",
        "has_room",
        "wait_for_room",
    )

    def __init__(self, attempt: Attempt, entry: Entry, landing: Landing, telemetry: Telemetry, clock: Clock) -> None:
        self._attempt = attempt
        self._entry = entry
        self._landing = landing
        self._telemetry = telemetry
        self._clock = clock
        self._add = landing.add
        self._has_come = self._is_held = False
        self.has_room, self.wait_for_room = landing.has_room, landing.wait_for_room

    def accept(self, begun: Begun) -> None:
        """Notes the first byte. The kind of an answer that is neither JSON nor events the client would be told at once: it waits for
        what follows."""
        attempt = self._attempt
        attempt.begun = begun
        attempt.first_byte = self._clock.monotonic() - attempt.started
        self._telemetry.note_first_byte(attempt)
        if begun.content_type:
            self._is_held = True
        else:
            self._landing.accept(attempt)

    def add(self, chunk: Chunk) -> None:
        """Passes it on."""
        if not self._has_come:
            self._has_come = True
            now = self._clock.monotonic()
            attempt = self._attempt
            attempt.first_chunk = now - attempt.started
            if attempt.trace is not None:
                attempt.head = chunk
            attempt.stop.health.note_first_byte(attempt.first_chunk, now, stream=attempt.call.stream, entry=self._entry)
            self.finish()
        self._add(chunk)

    def finish(self) -> None:
        """Nothing has to be held back any more."""
        if self._is_held:
            self._is_held = False
            self._landing.accept(self._attempt)
