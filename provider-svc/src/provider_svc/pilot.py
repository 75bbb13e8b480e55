"""Makes a flight's upstream call: from the provider's chunks to the flight's events."""

import asyncio

from chassis.clock import Clock
from chassis.context import current as current_call
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from provider_svc import events
from provider_svc.flight import Flight
from provider_svc.provider import Begun, Provider, UpstreamCall
from provider_svc.telemetry import COMPLETED, Telemetry, describe


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
        landing = Landing(flight, self._telemetry, self._clock)
        outcome: str = Reason.CANCELLED
        try:
            outcome = await self._fly_observed(landing, provider, kind, call)
        except asyncio.CancelledError:
            error = flight.stopped_by or RunestoneError(Reason.CANCELLED, "the call was cancelled")
            outcome = error.reason
            flight.fail(error)
            raise
        finally:
            self._telemetry.note_end(flight.provider, outcome, landing.elapsed(), flight.owed)

    def note_join(self, flight: Flight) -> None:
        """The running call shares `flight`, which another began."""
        self._telemetry.note_join(flight.model, flight.trace)

    async def _fly_observed(self, landing: "Landing", provider: Provider, kind: str, call: UpstreamCall) -> str:
        """Flies inside a span and concludes the flight; returns the outcome for the metrics."""
        flight = landing.flight
        try:
            with self._telemetry.span(flight.provider, kind, call.model, stream=call.stream) as span:
                if span is not None:
                    flight.trace = current_call().trace
                try:
                    await provider.call(call, landing)
                finally:
                    describe(span, call.meter)
            await self._conclude(landing, call)
        except RunestoneError as error:
            flight.fail(error)
            return error.reason
        except Exception:  # noqa: BLE001  the outermost loop of the task
            self._log.exception("upstream call crashed", call_id=call.call_id, provider=flight.provider)
            message = "internal error; provider-svc's log has the details"
            flight.fail(RunestoneError(Reason.INTERNAL, message))
            return Reason.INTERNAL
        return COMPLETED

    @staticmethod
    async def _conclude(landing: "Landing", call: UpstreamCall) -> None:
        """The answer is whole. Only while prices are being read, at start, its end waits for them."""
        flight, duration = landing.flight, landing.elapsed()
        if flight.bill is not None:
            await flight.bill.settle()
            flight.owed = flight.bill.close()
        flight.conclude(
            events.completed(call.meter, first_byte=landing.first_byte, duration=duration, owed=flight.owed)
        )


class Landing:
    """Where a provider's answer goes: its flight, and the time of its first byte. `first_byte` is in seconds from the call's
    begin, 0 until there is one."""

    __slots__ = ("_clock", "_started", "_telemetry", "add", "first_byte", "flight", "has_room", "wait_for_room")

    def __init__(self, flight: Flight, telemetry: Telemetry, clock: Clock) -> None:
        self.flight = flight
        self.first_byte = 0.0
        self.add, self.has_room, self.wait_for_room = flight.add, flight.has_room, flight.wait_for_room
        self._telemetry = telemetry
        self._clock = clock
        self._started = clock.monotonic()

    def accept(self, begun: Begun) -> None:
        """Notes the first byte."""
        self.first_byte = self.elapsed()
        self._telemetry.note_first_byte(self.flight.provider, self.first_byte)
        self.flight.accept(begun)

    def elapsed(self) -> float:
        """Seconds since the call's begin."""
        return self._clock.monotonic() - self._started
