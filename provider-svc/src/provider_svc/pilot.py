"""Makes a flight's upstream call: from the provider's chunks to the flight's events, within the deadline."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from provider_svc import events
from provider_svc.flight import Flight
from provider_svc.provider import Begun, Provider, UpstreamCall
from provider_svc.telemetry import COMPLETED, Telemetry, describe


@dataclass(slots=True)
class _Times:
    """Monotonic times of one call; `first_byte` is 0 until there is one."""

    started: float
    first_byte: float = 0.0


class Pilot:
    """Flies flights; holds nothing of them."""

    def __init__(self, telemetry: Telemetry, clock: Clock, log: Logger) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._log = log

    async def fly(self, flight: Flight, provider: Provider, kind: str, call: UpstreamCall) -> None:
        """Makes the call to its end and concludes the flight with it, whatever it is.

        Cancelling closes the upstream socket, then concludes with `flight.stopped_by`, or CANCELLED, and passes on.
        """
        times = _Times(self._clock.monotonic())
        outcome: str = Reason.CANCELLED
        try:
            outcome = await self._fly_observed(flight, provider, kind, call, times)
        except asyncio.CancelledError:
            error = flight.stopped_by or RunestoneError(Reason.CANCELLED, "the call was cancelled")
            outcome = error.reason
            flight.fail(error, call.meter.usage)
            raise
        finally:
            seconds = self._clock.monotonic() - times.started
            self._telemetry.note_end(flight.provider, outcome, seconds, call.meter.usage)

    async def _fly_observed(
        self, flight: Flight, provider: Provider, kind: str, call: UpstreamCall, times: _Times
    ) -> str:
        """Flies inside a span and concludes the flight; returns the outcome for the metrics."""
        try:
            with self._telemetry.span(flight.provider, kind, call.model, stream=call.stream) as span:
                try:
                    await self._relay(flight, provider, call, times)
                finally:
                    describe(span, call.meter)
        except RunestoneError as error:
            flight.fail(error, call.meter.usage)
            return error.reason
        except Exception:  # noqa: BLE001  the outermost loop of the task
            self._log.exception("upstream call crashed", call_id=flight.call_id, provider=flight.provider)
            message = "internal error; provider-svc's log has the details"
            flight.fail(RunestoneError(Reason.INTERNAL, message), call.meter.usage)
            return Reason.INTERNAL
        now = self._clock.monotonic()
        first_byte, duration = times.first_byte - times.started, now - times.started
        flight.conclude(events.completed(call.meter, first_byte=first_byte, duration=duration))
        return COMPLETED

    async def _relay(self, flight: Flight, provider: Provider, call: UpstreamCall, times: _Times) -> None:
        """Adds the provider's chunks to the flight as it has room for them. Raises DEADLINE_EXCEEDED."""
        timer = asyncio.timeout(call.deadline - self._clock.monotonic())
        try:
            async with timer, aclosing(provider.call(call)) as steps:
                async for step in steps:
                    if isinstance(step, Begun):
                        self._note_first_byte(flight, times)
                        flight.accept(step)
                    else:
                        flight.add(step)
                    await flight.wait_for_room()
        except TimeoutError as exc:
            if not timer.expired():
                raise
            raise RunestoneError(
                Reason.DEADLINE_EXCEEDED, "the call's deadline passed before the provider's answer was whole"
            ) from exc

    def _note_first_byte(self, flight: Flight, times: _Times) -> None:
        times.first_byte = self._clock.monotonic()
        self._telemetry.note_first_byte(flight.provider, times.first_byte - times.started)
