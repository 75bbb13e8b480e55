"""All calls of this process and the flights that answer them: begun, joined, found, left, stopped. The only place that starts
and cancels upstream calls."""

import asyncio
from collections.abc import Callable
from functools import partial

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from provider_svc.attempts.asking import Asking
from provider_svc.attempts.journey import Journey
from provider_svc.call import Call, Question
from provider_svc.flight import Flight
from provider_svc.pilot import Pilot
from provider_svc.questions import Questions
from provider_svc.settings import ProviderSettings
from provider_svc.shelves import Shelves
from provider_svc.subscription import Response, Role, Subscription
from provider_svc.windows import Windows

PATIENCE_FOR_CANCEL = 5.0  # seconds that cancelled calls have at stop to close their sockets
TOGETHER = 3.0  # seconds between a caller's leaving its call and its cancelling it, at the most

Plan = Callable[[], tuple[Asking, Journey]]  # what to ask, and by which ways


class Flights:
    """Owns the task of every running flight. One that loses its last subscriber is cancelled in the same step, or, where that was a
    resumable call's, when its window has passed; one that is over stays on a shelf for a moment, or for that window. A call is
    forgotten when it leaves a flight that others keep in the air."""

    def __init__(self, pilot: Pilot, bounds: ProviderSettings, clock: Clock) -> None:
        self._pilot = pilot
        self._bounds = bounds
        self._clock = clock
        self._calls: dict[str, Call] = {}
        self._coalesced = 0
        self._tasks: dict[Flight, asyncio.Task[None]] = {}
        self._questions = Questions(bounds, clock)
        self._windows = Windows(self._end_with_window)
        self._shelves = Shelves(bounds, clock, self._forget)
        self._is_stopping = False

    @property
    def running(self) -> int:
        """How many upstream calls are running now."""
        return len(self._tasks)

    @property
    def left(self) -> int:
        """How many resumable calls go on now although nobody follows them."""
        return self._windows.left

    def count_coalesced(self) -> int:
        """How many calls share an upstream call that runs now, those not counted for which it was begun."""
        return sum(call.is_coalesced for flight in self._tasks for call in flight.audience.calls)

    def check_new(self, call_id: str) -> None:
        """Raises CALL_EXISTS when `call_id` is running, UNAVAILABLE when the service stops."""
        if self._is_stopping:
            message = "provider-svc is stopping; nothing was begun"
            raise RunestoneError(Reason.UNAVAILABLE, message, may_have_begun=False)
        known = self._calls.get(call_id)
        if known is not None and not known.flight.is_over:
            raise RunestoneError(Reason.CALL_EXISTS, f"the call {call_id!r} is running; attach to it")

    def begin(self, call: Call, plan: Plan, question: Question | None = None) -> None:
        """Starts a flight for `call`; with a `question` it is the one that others join. Follow it before anything is awaited.

        Raises OVERLOADED when there is no place for another upstream call, and what `plan` raises.
        """
        if self.running >= self._bounds.max_running:
            raise RunestoneError(Reason.OVERLOADED, f"all {self.running} places for calls are taken", retry_after=1.0)
        self._admit(call, self._launch(plan, question))

    def join(self, call: Call, question: Question) -> bool:
        """Lets `call` share the flight that answers the same question, where there is one that it can read from its first event.
        Follow it before anything is awaited. Raises OVERLOADED when too many calls share others' flights."""
        flight = self._questions.find(question)
        if flight is None:
            return False
        if self._coalesced >= self._bounds.max_coalesced:
            message = f"all {self._coalesced} places for calls that share another's are taken"
            raise RunestoneError(Reason.OVERLOADED, message, retry_after=1.0)
        self._coalesced += 1
        call.is_coalesced = True
        self._admit(call, flight)
        self._pilot.note_join(flight)
        return True

    def find(self, call_id: str, tenant: str) -> Call:
        """The tenant's call, running or just over. Raises NOT_FOUND, for another tenant's as well."""
        self._shelves.expire()
        call = self._calls.get(call_id)
        if call is None or call.tenant != tenant:
            raise RunestoneError(Reason.NOT_FOUND, f"there is no call {call_id[:100]!r}, or it is over and forgotten")
        return call

    def follow(
        self, call: Call, form: type[Response], after_seq: int = 0, role: Role = Role.FOLLOWER
    ) -> Subscription[Response]:
        """Subscribes to a call's flight; the caller leaves the subscription. Raises EVENTS_LOST or INVALID_REQUEST."""
        subscription = call.flight.subscribe(call, form, after_seq, role)
        if not subscription.is_watching:
            if call.resume_window:
                self._note_followed(subscription)
            if call.flight.is_over:
                self._shelves.take(call.flight)
        return subscription

    def pause(self, call: Call, *, paused: bool) -> None:
        """Stops or resumes what `call` gets. One that is paused for longer than its window ends."""
        call.flight.pause(call, paused=paused)
        if paused:
            self._windows.note_paused(call)
        else:
            self._windows.note_resumed(call)

    def stop_call(self, call: Call, why: RunestoneError) -> None:
        """Ends a running call because it was cancelled, or its deadline has passed; its subscribers read `why` as its failure. Its flight is
        cancelled unless others share it."""
        call.stopped_at = self._clock.monotonic()
        call.lacks_settler &= not _is_one_step(call)
        if not call.flight.is_over:
            self._stop(call, why)

    def _stop(self, call: Call, why: RunestoneError) -> None:
        flight = call.flight
        if len(flight.audience.calls) > 1:
            self._part(call, why)
        else:
            self._stop_flight(flight, why)

    async def stop(self, grace: float) -> None:
        """Begins nothing more; running calls have `grace` seconds, then they fail with UNAVAILABLE."""
        self._is_stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=grace)
        for flight in list(self._tasks):
            self._stop_flight(
                flight, RunestoneError(Reason.UNAVAILABLE, "provider-svc stopped in the middle of the call")
            )
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=PATIENCE_FOR_CANCEL)
        self._shelves.close()
        self._windows.close()

    def note_left(self, call: Call) -> None:
        """The last that followed `call` has left. A running flight to which nobody may come back is cancelled at once when nobody follows
        it any more; one that is over stays for a while."""
        flight = call.flight
        if call not in flight.audience.calls:  # it was ended by itself
            return
        if flight.is_over:
            if not flight.is_followed:
                self._shelves.put(flight)
        elif call.resume_window:
            self._windows.note_left(call)
        else:
            self._part(call, RunestoneError(Reason.CANCELLED, "the call was cancelled"))
            if not flight.audience.calls:
                self._tasks[flight].cancel()

    def note_unsettled(self, call: Call) -> None:
        """The subscriber that began `call` goes without having read how it ended: another that hears the end settles it, unless it was that
        subscriber's own doing."""
        call.left_at = self._clock.monotonic()
        call.lacks_settler = not _is_one_step(call)

    def _launch(self, plan: Plan, question: Question | None) -> Flight:
        """Starts a flight in the running context: its trace, and its snapshot."""
        asking, journey = plan()
        flight = Flight(journey.attempts, self._bounds, self, question=question)
        flying = self._pilot.fly(flight, asking, journey)
        task = asyncio.get_running_loop().create_task(flying, name=f"flight {journey.ask.call_id}")
        task.add_done_callback(partial(self._note_end, flight, journey))
        self._tasks[flight] = task
        if question is not None:
            self._questions.put(question, flight)
        return flight

    def _admit(self, call: Call, flight: Flight) -> None:
        flight.admit(call)
        self._calls[call.call_id] = call
        if not flight.is_over:
            seconds = call.deadline - self._clock.monotonic()
            call.timer = asyncio.get_running_loop().call_later(seconds, self._expire, call)

    def _note_followed(self, subscription: Subscription[Response]) -> None:
        self._windows.note_followed(subscription.call)
        if not subscription.has_begun_the_call:
            self._pilot.note_resumed()

    def _part(self, call: Call, why: RunestoneError) -> None:
        """Takes a call out of a running flight; who subscribes for it reads `why`."""
        call.stop_waiting()
        call.flight.dismiss(call)
        self._forget_call(call)
        call.flight.part(call, why)

    def _forget_call(self, call: Call) -> None:
        self._windows.forget(call)
        self._coalesced -= call.is_coalesced
        if self._calls.get(call.call_id) is call:
            del self._calls[call.call_id]

    def _expire(self, call: Call) -> None:
        message = "the call's deadline passed before the provider's answer was whole"
        self.stop_call(call, RunestoneError(Reason.DEADLINE_EXCEEDED, message))

    def _end_with_window(self, call: Call, window: str, why: RunestoneError) -> None:
        self._pilot.note_window(window)
        if call.flight.is_over:  # and is waited for all the same, because it is paused
            call.flight.part(call, why)
        else:
            self._stop(call, why)

    def _stop_flight(self, flight: Flight, why: RunestoneError) -> None:
        if not flight.is_over:
            flight.stopped_by = flight.stopped_by or why  # the first that happened, when several do at once
            self._tasks[flight].cancel()

    def _note_end(self, flight: Flight, journey: Journey, task: asyncio.Task[None]) -> None:
        """Runs after the task, and also when it was cancelled before its first step."""
        del self._tasks[flight]
        journey.end()
        if not flight.is_over:
            flight.fail(flight.stopped_by or RunestoneError(Reason.CANCELLED, "the call was cancelled"))
        for call in flight.audience.calls:
            call.stop_waiting()
            if call.resume_window:
                self._windows.note_followed(call)
        if flight.question is not None:
            flight.ended = self._clock.monotonic()
        if not flight.is_followed and flight not in self._shelves:
            if flight.resume_window:
                self._shelves.put(flight)
            else:
                self._forget(flight)
        if not task.cancelled():
            task.result()

    def _forget(self, flight: Flight) -> None:
        for call in flight.audience.calls:
            self._forget_call(call)
        flight.audience.calls.clear()
        if flight.question is not None:
            self._questions.remove(flight.question, flight)

    def __repr__(self) -> str:
        return f"Flights({self.running} running, {len(self._calls)} calls, {self._windows!r}, {self._shelves!r})"


def _is_one_step(call: Call) -> bool:
    """Whether it was left because it ends, or ends because it was left: an edge that ends a call itself, at its deadline, say, leaves it and
    cancels it in either order, and settles it. One that was killed cancels nothing."""
    return abs(call.left_at - call.stopped_at) <= TOGETHER
