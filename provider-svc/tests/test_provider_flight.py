"""A flight's state, without I/O: who may read what, and when reading upstream may go on."""

import asyncio
from types import SimpleNamespace

import pytest

from chassis.config.models import Target
from chassis.config.providers import Provider as Configured
from chassis.errors import Reason, RunestoneError
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.stop import Stop
from provider_svc.call import Call
from provider_svc.flight import Flight
from provider_svc.provider import Begun, Chunk, UpstreamCall
from provider_svc.seats import Seat
from provider_svc.settings import ProviderSettings
from runestone.provider.v1.provider_pb2 import CallEvent, CallResponse, Completed

BOUNDS = ProviderSettings(ring=100, window=20, message=15)
TEN = Chunk(b"x" * 10, (10,))
END = CallEvent(completed=Completed())


class NoOwner:
    """Lets a flight do what it does by itself."""

    def note_left(self, call):
        pass


def accepted_attempt():
    """An upstream call whose answer has begun."""
    seat = Seat(Configured(name="p", kind="openai"), SimpleNamespace(dialects=frozenset()))
    call = UpstreamCall(call_id="c", model="m", stream=True, members={})
    stop = Stop(
        target=Target(provider="p", model="m"), health=None, speaks=True, find_rates=lambda: None, seat=seat, label="m"
    )
    attempt = Attempt(stop, call, route="m", why="only", started=0.0, number=1)
    attempt.begun = Begun(200)
    return attempt


def new_flight(chunks=0, question=None):
    flight = Flight([], BOUNDS, NoOwner(), question=question)
    for _ in range(chunks):
        flight.add(TEN)
    return flight


def follow(flight, call=None):
    """A subscription for `call`, or for one of its own."""
    call = call or Call("c", "t", 0.0)
    if call not in flight.audience.calls:
        flight.admit(call)
    return flight.subscribe(call, CallResponse)


def has_room(flight):
    waiting = flight.wait_for_room()
    try:
        waiting.send(None)
    except StopIteration:
        return True
    waiting.close()
    return False


def kinds(ready):
    return [event.WhichOneof("event") for event in ready.events]


async def test_everything_that_is_ready_comes_together_and_in_order():
    flight = new_flight()
    subscription = follow(flight)
    flight.accept(accepted_attempt())
    flight.add(TEN)
    flight.conclude(END)
    assert kinds(await anext(subscription)) == ["accepted", "data", "completed"]
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)


async def test_messages_are_bounded_and_the_end_comes_behind_the_last_event():
    flight = new_flight()
    subscription = follow(flight)
    for _ in range(2):
        flight.add(TEN)
    flight.conclude(END)
    assert [kinds(ready) async for ready in subscription] == [["data"], ["data", "completed"]]


async def test_a_waiting_subscriber_is_woken_by_what_comes():
    flight = new_flight()
    waiting = asyncio.create_task(anext(follow(flight)))
    await asyncio.sleep(0)
    assert not waiting.done()
    flight.add(TEN)
    assert kinds(await waiting) == ["data"]


async def test_reading_stops_when_the_slowest_is_a_window_behind_and_goes_on_when_it_has_read():
    flight = new_flight()
    slow, fast = follow(flight), follow(flight)
    for _ in range(3):
        assert has_room(flight)
        flight.add(TEN)
        await anext(fast)
    assert not has_room(flight)
    await anext(slow)
    assert has_room(flight)


async def test_a_slow_subscriber_that_leaves_holds_nothing_up():
    flight = new_flight()
    slow = follow(flight)
    for _ in range(3):
        flight.add(TEN)
    assert not has_room(flight)
    flight.unsubscribe(slow)
    flight.unsubscribe(slow)
    assert has_room(flight)
    assert not flight.is_followed


async def test_pause_holds_until_resume_whoever_comes_and_goes():
    flight = new_flight()
    call = Call("c", "t", 0.0)
    stays = follow(flight, call)
    flight.pause(call, paused=True)
    flight.unsubscribe(follow(flight, call))
    assert not has_room(flight)
    flight.unsubscribe(stays)
    assert not has_room(flight)
    flight.pause(call, paused=False)
    assert has_room(flight)


async def test_only_the_first_end_counts():
    flight = new_flight()
    flight.fail(RunestoneError(Reason.CANCELLED, "first"))
    flight.conclude(END)
    assert flight.end.failed.error.message == "first"


async def test_a_failure_says_how_much_was_delivered():
    flight = new_flight(chunks=2)
    flight.fail(RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))
    assert flight.end.failed.last_seq == 2


async def test_it_is_worth_trying_again_as_long_as_any_of_those_wait_whom_it_answers():
    flight = new_flight()
    for number, deadline in enumerate((5.0, 9.0, 7.0)):
        follow(flight, Call(f"c{number}", "t", deadline))
    assert flight.deadline == 9.0
