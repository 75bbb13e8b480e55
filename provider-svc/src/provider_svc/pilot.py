"""Flies a flight: asks, and concludes it with whatever comes of that."""

import asyncio

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from provider_svc import events
from provider_svc.attempts.asking import Asking
from provider_svc.attempts.journey import Journey
from provider_svc.flight import Flight
from provider_svc.telemetry import Telemetry


class Pilot:
    """Flies flights; holds nothing of them."""

    def __init__(self, telemetry: Telemetry, clock: Clock, log: Logger) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._log = log

    async def fly(self, flight: Flight, asking: Asking, journey: Journey) -> None:
        """Has the journey made to its end and concludes the flight with it, whatever it is.

        Cancelling closes the upstream sockets, then concludes with `flight.stopped_by`, or CANCELLED, and passes on.
        """
        started = self._clock.monotonic()
        try:
            await asking.ask(journey, flight)
            self._conclude(flight, started)
        except asyncio.CancelledError:
            flight.fail(flight.stopped_by or RunestoneError(Reason.CANCELLED, "the call was cancelled"))
            raise
        except RunestoneError as error:
            flight.fail(error)
        except Exception:  # noqa: BLE001  the outermost loop of the task
            self._log.exception("upstream call crashed", call_id=journey.ask.call_id, attempts=repr(journey.attempts))
            flight.fail(RunestoneError(Reason.INTERNAL, "internal error; provider-svc's log has the details"))

    def note_join(self, flight: Flight) -> None:
        """The running call shares `flight`, which another began."""
        self._telemetry.note_join(flight.trace)

    def note_resumed(self) -> None:
        """Somebody follows a resumable call who did not begin it."""
        self._telemetry.note_resumed()

    def note_window(self, window: str) -> None:
        """A window of a call has passed, and with it the call."""
        self._telemetry.note_window(window)

    def _conclude(self, flight: Flight, started: float) -> None:
        """The answer is whole."""
        flight.conclude(events.completed(flight, started, self._clock.monotonic()))
