"""Copies of resumable calls: what was read outlives the process, and no trouble with the store is ever the call's."""

import asyncio

import pytest

from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from provider_svc.call import Call
from provider_svc.copies import copier, copies, store
from provider_svc.copies.copier import Copier
from provider_svc.flight import Flight
from provider_svc.provider import Chunk
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Role
from runestone.provider.v1.provider_pb2 import AttachResponse, CallEvent, Completed, ControlRequest

PAUSE, RESUME = ControlRequest.ACTION_PAUSE, ControlRequest.ACTION_RESUME
LONG = 60.0  # seconds: a window that no test sees the end of
DOWN = RunestoneError(Reason.UNAVAILABLE, "the store is down")
REFUSED = RunestoneError(Reason.RATE_LIMITED, "no more can be kept")


class Taken:
    """A store that takes everything."""

    def __init__(self):
        self.requests = []

    async def append(self, request):
        self.requests.append(request)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """No pause between tries."""
    monkeypatch.setattr(store, "PAUSES", (0.0, 0.0))


def outcomes(rig):
    """How many copies ended how."""
    rows = rig.runtime.metrics.exposition().decode().splitlines()
    found = (
        row.removeprefix('runestone_stream_copies_total{outcome="').split('"} ')
        for row in rows
        if "stream_copies_total{" in row
    )
    return {outcome: float(count) for outcome, count in found}


async def test_a_copy_holds_every_event_the_head_and_the_end(copied_rig, streams):
    heard = await copied_rig.call("fake/words=40,pace=10ms", call_id="one", resume=LONG)
    await copied_rig.until(lambda: outcomes(copied_rig) == {"whole": 1.0})
    copy = streams.find("one")
    assert copy.frames == heard.frames
    assert copy.accepted == heard.events[0].accepted
    assert copy.last == heard.events[-1]
    assert 1 < copy.appends < len(heard.frames)
    assert copy.ttls[-1] == LONG
    assert min(copy.ttls[:-1]) > LONG


async def test_a_failure_is_copied_as_the_end(copied_rig, streams):
    heard = await copied_rig.call("fake/words=8,cut_events=3", call_id="one", resume=LONG)
    assert heard.reason == "PROVIDER_STREAM_CUT"
    await copied_rig.until(lambda: bool(streams.find("one").end))
    copy = streams.find("one")
    assert (copy.frames, copy.last) == (heard.frames, heard.events[-1])


async def test_what_nobody_follows_is_copied_all_the_same(copied_rig, streams):
    async with copied_rig.begun("fake/words=30,pace=10ms", call_id="one", resume=LONG) as (_, heard):
        await copied_rig.until(lambda: bool(heard.body))
    await copied_rig.until(lambda: bool(streams.find("one").end))
    assert len(streams.find("one").frames) == 33


async def test_what_is_paused_is_copied_as_far_as_it_was_read(copied_rig, streams):
    """Its process may die while it is paused."""
    async with copied_rig.begun("fake/words=1000,pace=5ms", call_id="one", resume=LONG) as (exchange, heard):
        await copied_rig.until(lambda: bool(heard.body))
        paused = await copied_rig.control("one", PAUSE)
        await copied_rig.until(lambda: len(streams.find("one").frames) >= paused.last_seq)
        assert not exchange.closed_early.is_set()
        await copied_rig.control("one", ControlRequest.ACTION_CANCEL)


async def test_calls_without_a_window_are_not_copied(copied_rig, streams):
    await copied_rig.call("fake/words=3")
    await copied_rig.call("fake/words=3", resume=LONG)
    await copied_rig.until(lambda: outcomes(copied_rig) == {"whole": 1.0})
    assert len(streams.copies) == 1


async def test_a_long_stream_is_copied_in_parts_without_waiting_between_them(monkeypatch):
    """Else a quick one would run away from its copy."""
    monkeypatch.setattr(copier, "PAUSE", 3600.0)
    flight, taken = Flight([], ProviderSettings(), None), Taken()
    call = Call("c", "t", 0.0, resume_window=LONG)
    flight.admit(call)
    for _ in range(5):
        flight.add(Chunk(b"x" * (40 << 10), (40 << 10,)))
    flight.conclude(CallEvent(completed=Completed()))
    copying = Copier(flight.subscribe(call, AttachResponse, role=Role.COPIER), taken, FakeClock())
    async with asyncio.timeout(10):
        assert await copying.run() == "whole"
    assert [request.first_seq for request in taken.requests] == [1, 2, 3, 4, 5]
    assert [bool(request.end) for request in taken.requests] == [False] * 4 + [True]


@pytest.mark.parametrize("failures", [1, 2])
async def test_a_moments_failure_of_the_store_costs_nothing(copied_rig, streams, failures):
    streams.turns += [DOWN] * failures
    heard = await copied_rig.call("fake/words=8", call_id="one", resume=LONG)
    await copied_rig.until(lambda: outcomes(copied_rig) == {"whole": 1.0})
    assert streams.find("one").frames == heard.frames


@pytest.mark.parametrize("failures", [[DOWN] * 3, [REFUSED]])
async def test_a_copy_that_fails_ends_and_its_call_is_whole(copied_rig, streams, failures):
    streams.turns += failures
    heard = await copied_rig.call("fake/words=40,pace=5ms", call_id="one", resume=LONG)
    assert (heard.reason, len(heard.frames)) == ("", 43)
    await copied_rig.until(lambda: outcomes(copied_rig) == {"failed": 1.0})
    assert streams.copies == {}
    assert (await copied_rig.attach("one")).frames == heard.frames


async def test_a_store_that_hangs_holds_no_call_up_and_the_copy_that_is_left_behind_says_so(copied_rig, streams):
    """64 MiB pass by; the ring holds four of them for the copy, which ends where it came to, without an end."""
    hanging = asyncio.Event()
    streams.turns += [hanging]
    heard = await copied_rig.call("fake/huge=64KiB,repeat=1024", call_id="one", resume=LONG)
    assert (heard.reason, len(heard.frames)) == ("", 1024 + 3)
    hanging.set()
    await copied_rig.until(lambda: bool(outcomes(copied_rig)))
    assert outcomes(copied_rig) == {"lost": 1.0}
    copy = streams.find("one")
    assert copy.frames == heard.frames[: len(copy.frames)]
    assert copy.end == b""


async def test_a_store_that_is_down_is_left_alone(copied_rig, streams):
    streams.turns += [DOWN] * 1000
    for _ in range(12):
        assert (await copied_rig.call("fake/words=1", resume=LONG)).reason == ""
    await copied_rig.until(lambda: outcomes(copied_rig) == {"failed": 12.0})
    assert streams.asked < 12


async def test_nothing_is_left_of_a_copy_when_the_service_stops(open_copied_rig, streams, monkeypatch):
    """What hangs is given up; what is said last is told: the call ended because the service stopped."""
    monkeypatch.setattr(copies, "PATIENCE", 0.3)
    monkeypatch.setattr(copier, "PAUSE", 0.05)
    async with open_copied_rig() as rig:
        async with (
            rig.begun("fake/words=1000,pace=5ms", call_id="one", resume=LONG) as (exchange, heard),
            rig.begun("fake/words=1000,pace=5ms", call_id="hung", resume=LONG),
        ):
            await rig.until(lambda: bool(heard.body) and bool(streams.find("one").frames))
            hanging = asyncio.Event()
            await rig.until(lambda: not streams.turns)
            streams.turns += [hanging]
            await rig.until(lambda: bool(streams.running) and not streams.turns)
            hung = next(iter(streams.running))
        for stop in reversed(rig.runtime._stops):
            await stop(0)
        await exchange.wait_closed()
        other = "one" if hung == "hung" else "hung"
        assert streams.find(other).last.failed.error.message == "provider-svc stopped in the middle of the call"
        assert streams.find(hung).end == b""
        assert outcomes(rig) == {"whole": 1.0, "left": 1.0}
        assert not [task for task in asyncio.all_tasks() if task.get_name() == "copy a stream"]
        hanging.set()


async def test_a_call_that_nobody_follows_has_the_grace_to_end(open_copied_rig, streams):
    async with open_copied_rig() as rig:
        async with rig.begun("fake/words=60,pace=10ms", call_id="one", resume=LONG) as (exchange, heard):
            await rig.until(lambda: bool(heard.body))
        for stop in reversed(rig.runtime._stops):
            await stop(20)
        assert not exchange.closed_early.is_set()
        assert streams.find("one").last.HasField("completed")
        assert len(streams.find("one").frames) == 63
