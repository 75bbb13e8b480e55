"""All flights of this process: begun, found, left, stopped. The only place that starts and cancels upstream calls."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from chassis import context
from chassis.clock import Clock
from chassis.context import CallContext
from chassis.errors import Reason, RunestoneError
from provider_svc.flight import Flight, Subscription
from provider_svc.pilot import Pilot
from provider_svc.provider import UpstreamCall
from provider_svc.roster import Lease
from provider_svc.settings import ProviderSettings
from provider_svc.shelf import Shelf

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
        flight = Flight(call.call_id, tenant, lease.target.provider, call.model, self._bounds)
        outer = context.current()
        task = asyncio.create_task(self._fly(flight, lease, call, outer), name=f"flight {call.call_id}")
        task.add_done_callback(partial(self._note_end, flight, lease))
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

    @contextmanager
    def following(self, flight: Flight, after_seq: int = 0) -> Iterator[Subscription]:
        """Subscribes to a flight for as long as the context lasts. Raises EVENTS_LOST or INVALID_REQUEST."""
        subscription = flight.subscribe(after_seq)
        self._flights[flight.call_id] = flight
        self._shelf.remove(flight.call_id)
        try:
            yield subscription
        finally:
            self.leave(flight, subscription)

    def leave(self, flight: Flight, subscription: Subscription) -> None:
        """Ends a subscription; the last one's end cancels a running call at once. Doing it twice is harmless."""
        flight.unsubscribe(subscription)
        if flight.is_followed or self._flights.get(flight.call_id) is not flight:
            return
        if flight.is_over:
            del self._flights[flight.call_id]
            self._shelf.put(flight)
            self._sweep_later()
        else:
            self._tasks[flight].cancel()

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

    async def _fly(self, flight: Flight, lease: Lease, call: UpstreamCall, outer: CallContext) -> None:
        """Flies in a call context of its own: the subscriber's ends when it leaves, the flight may go on for others."""
        context.bind(CallContext(outer.trace, call.deadline))
        await self._pilot.fly(flight, lease.provider, lease.kind, call)

    def _note_end(self, flight: Flight, lease: Lease, task: asyncio.Task[None]) -> None:
        """Runs after the task, and also when it was cancelled before its first step."""
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
