"""All flights of this process: begun, found, left, stopped. The only place that starts and cancels upstream calls."""

import asyncio
from functools import partial

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from provider_svc.flight import Flight
from provider_svc.pilot import Pilot
from provider_svc.provider import UpstreamCall
from provider_svc.roster import Lease
from provider_svc.settings import ProviderSettings
from provider_svc.shelf import Shelf
from provider_svc.subscription import Response, Subscription

PATIENCE_FOR_CANCEL = 5.0  # seconds that cancelled calls have at stop to close their sockets


class Flights:
    """Owns the task of every running call. A flight that loses its last subscriber is cancelled in the same step; one that
    is over stays on the shelf for a moment."""

    def __init__(self, pilot: Pilot, bounds: ProviderSettings, clock: Clock) -> None:
        self._pilot = pilot
        self._bounds = bounds
        self._clock = clock
        self._flights: dict[str, Flight] = {}
        self._tasks: dict[Flight, asyncio.Task[None]] = {}
        self._shelf = Shelf(bounds, clock)
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._is_stopping = False

    @property
    def running(self) -> int:
        """How many upstream calls are running now."""
        return len(self._tasks)

    def check_room(self, call_id: str) -> None:
        """Raises CALL_EXISTS when `call_id` is running, OVERLOADED when there is no place for another call, UNAVAILABLE
        when the service stops."""
        if self._is_stopping:
            raise RunestoneError(Reason.UNAVAILABLE, "provider-svc is stopping; nothing was begun")
        known = self._flights.get(call_id)
        if known is not None and not known.is_over:
            raise RunestoneError(Reason.CALL_EXISTS, f"the call {call_id!r} is running; attach to it")
        if self.running >= self._bounds.max_running:
            raise RunestoneError(Reason.OVERLOADED, f"all {self.running} places for calls are taken", retry_after=1.0)

    def begin(self, tenant: str, call: UpstreamCall, lease: Lease) -> Flight:
        """Starts the call, which holds `lease` until it is over. Follow it before anything is awaited."""
        flight = Flight(call.call_id, tenant, lease.target, self._bounds, self._let_go)
        loop = asyncio.get_running_loop()
        flying = self._pilot.fly(flight, lease.provider, lease.kind, call)
        task = loop.create_task(flying, name=f"flight {call.call_id}")
        timer = loop.call_later(call.deadline - self._clock.monotonic(), self._expire, flight)
        task.add_done_callback(partial(self._note_end, flight, lease, timer))
        self._shelf.remove(call.call_id)
        self._flights[call.call_id] = flight
        self._tasks[flight] = task
        return flight

    def find(self, call_id: str, tenant: str) -> Flight:
        """The tenant's call, running or just over. Raises NOT_FOUND, for another tenant's as well."""
        flight = self._flights.get(call_id) or self._shelf.get(call_id)
        if flight is None or flight.tenant != tenant or self._is_abandoned(flight):
            raise RunestoneError(Reason.NOT_FOUND, f"there is no call {call_id[:100]!r}, or it is over and forgotten")
        return flight

    def follow(self, flight: Flight, form: type[Response], after_seq: int = 0) -> Subscription[Response]:
        """Subscribes to a flight; the caller leaves the subscription. Raises EVENTS_LOST or INVALID_REQUEST."""
        subscription = flight.subscribe(form, after_seq)
        if flight.is_over:
            self._flights[flight.call_id] = flight
            self._shelf.remove(flight.call_id)
        return subscription

    def stop_call(self, flight: Flight, why: RunestoneError) -> None:
        """Cancels a running call; its subscribers read `why` as its failure."""
        if (task := self._tasks.get(flight)) is not None and not flight.is_over:
            flight.stopped_by = why
            task.cancel()

    async def stop(self, grace: float) -> None:
        """Begins nothing more; running calls have `grace` seconds, then they fail with UNAVAILABLE."""
        self._is_stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace)
        for flight in list(self._tasks):
            self.stop_call(flight, RunestoneError(Reason.UNAVAILABLE, "provider-svc stopped in the middle of the call"))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=PATIENCE_FOR_CANCEL)
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    def _let_go(self, flight: Flight) -> None:
        """The last subscriber has left: a running call is cancelled at once, one that is over stays for a moment."""
        if self._flights.get(flight.call_id) is not flight:
            return
        if flight.is_over:
            del self._flights[flight.call_id]
            self._shelf.put(flight)
            self._sweep_later()
        else:
            self._tasks[flight].cancel()

    def _expire(self, flight: Flight) -> None:
        message = "the call's deadline passed before the provider's answer was whole"
        self.stop_call(flight, RunestoneError(Reason.DEADLINE_EXCEEDED, message))

    def _note_end(self, flight: Flight, lease: Lease, timer: asyncio.TimerHandle, task: asyncio.Task[None]) -> None:
        """Runs after the task, and also when it was cancelled before its first step."""
        timer.cancel()
        del self._tasks[flight]
        lease.release()
        if not flight.is_over:
            flight.fail(flight.stopped_by or RunestoneError(Reason.CANCELLED, "the call was cancelled"))
        if not flight.is_followed and self._flights.get(flight.call_id) is flight:
            del self._flights[flight.call_id]
        if not task.cancelled():
            task.result()

    def _is_abandoned(self, flight: Flight) -> bool:
        """Whether nobody followed it to its end: it is being cancelled, or was."""
        return not flight.is_over and not flight.is_followed

    def _sweep_later(self) -> None:
        """Frees the memory of what nobody asked for again, also when no further call comes."""
        if self._sweep_timer is None:
            self._sweep_timer = asyncio.get_running_loop().call_later(self._bounds.linger, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        self._shelf.expire()
        if len(self._shelf):
            self._sweep_later()

    def __repr__(self) -> str:
        return f"Flights({self.running} running, {self._shelf!r})"
