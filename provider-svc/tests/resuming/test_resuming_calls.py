"""What a call with a resume window promises: it goes on while nobody follows, for so long, within bounds; then it is honest."""

import asyncio

import pytest

from chassis.client import closing
from chassis.errors import Reason, RunestoneError
from runestone.common.v1.error_pb2 import ERROR_REASON_EVENTS_LOST
from runestone.provider.v1.provider_pb2 import AttachRequest, ControlRequest

PAUSE, RESUME, CANCEL = ControlRequest.ACTION_PAUSE, ControlRequest.ACTION_RESUME, ControlRequest.ACTION_CANCEL
DETACH = ControlRequest.ACTION_DETACH
LONGER_THAN_BUFFERS = "huge=64KiB,repeat=1024"  # 64 MiB in events of 64 KiB
LONG = 60.0  # seconds: a window that no test sees the end of
SHORT = 0.2


def left(rig):
    return rig.gauge("runestone_streams_left")


def passed(rig, window):
    text = rig.runtime.metrics.exposition().decode()
    return f'runestone_stream_windows_passed_total{{window="{window}"}} 1.0' in text


async def leave(rig, wishes, **options):
    """Begins a call, leaves it when its first events have come, and returns what was heard; the exchange goes on."""
    async with rig.begun(f"fake/{wishes}", call_id="one", **options) as (exchange, heard):
        await rig.until(lambda: bool(heard.body))
    await rig.until(lambda: left(rig) == 1)
    return exchange, heard


async def test_a_call_goes_on_without_its_reader_and_nothing_is_lost_or_doubled(rig):
    exchange, before = await leave(rig, "words=40,pace=10ms", resume=LONG)
    after = await rig.attach("one", len(before.frames))
    assert not exchange.closed_early.is_set()
    assert after.reason == ""
    assert after.events[0].HasField("accepted")
    whole = await rig.attach("one")
    assert before.frames + after.frames == whole.frames
    assert (rig.fake.requests, left(rig)) == (1, 0)
    assert rig.gauge("runestone_resumed_streams_total") == 2


async def test_a_call_comes_to_its_end_with_nobody_there_and_is_kept_for_its_window(rig):
    exchange, _ = await leave(rig, "words=20,pace=5ms", resume=LONG)
    await exchange.wait_over()
    await rig.until_idle()
    assert left(rig) == 0
    for _ in range(2):
        heard = await rig.attach("one")
        assert (heard.reason, len(heard.frames)) == ("", 23)


async def test_when_nobody_comes_back_the_providers_socket_is_closed_and_late_ones_read_why(rig):
    exchange, before = await leave(rig, "words=1000,pace=20ms", resume=SHORT)
    await exchange.wait_closed()
    await rig.until_idle()
    assert passed(rig, "resume")
    heard = await rig.attach("one", len(before.frames))
    assert heard.reason == "CANCELLED"
    assert "nobody came back" in heard.end.error.message


async def test_who_comes_back_in_time_stops_the_window(rig):
    _, before = await leave(rig, "words=60,pace=10ms", resume=SHORT)
    heard = await rig.attach("one", len(before.frames))
    assert heard.reason == ""
    assert not passed(rig, "resume")


async def test_reading_stops_when_the_ring_is_full_and_goes_on_for_who_comes_back(rig):
    """Bounded though nobody reads: what is out of the provider's hands fits into the ring and the buffers between."""
    exchange, before = await leave(rig, LONGER_THAN_BUFFERS, resume=LONG)
    written = await exchange.wait_still()
    assert written < 32 << 20
    heard = await rig.attach("one", len(before.frames))
    assert heard.reason == ""
    assert len(before.frames) + len(heard.frames) == 1024 + 3
    assert exchange.written > 64 << 20


async def test_a_call_without_a_window_ends_when_it_is_left(rig):
    async with rig.begun("fake/words=1000,pace=20ms", call_id="one") as (exchange, _):
        pass
    await exchange.wait_closed()
    with pytest.raises(RunestoneError) as error:
        await rig.attach("one")
    assert error.value.reason is Reason.NOT_FOUND


async def test_a_call_that_nobody_follows_can_be_cancelled(rig):
    exchange, _ = await leave(rig, "words=1000,pace=20ms", resume=LONG)
    await rig.control("one", CANCEL)
    await exchange.wait_closed()
    assert (await rig.attach("one")).reason == "CANCELLED"
    assert left(rig) == 0


async def test_a_call_that_fails_with_nobody_there_fails_for_who_comes_back(rig):
    exchange, _ = await leave(rig, "words=40,pace=10ms,cut_events=20", resume=LONG)
    await exchange.wait_over()
    await rig.until_idle()
    heard = await rig.attach("one")
    assert (heard.reason, heard.end.last_seq) == ("PROVIDER_STREAM_CUT", len(heard.frames))


async def test_who_only_looks_on_keeps_no_call_alive(rig):
    async with rig.begun("fake/words=1000,pace=20ms", call_id="one", resume=SHORT) as (exchange, heard):
        await rig.until(lambda: bool(heard.body))
        watching = asyncio.create_task(rig.attach("one", is_watching=True))
        await rig.until(lambda: rig.gauge("runestone_rpc_server_running") == 2)
    assert "nobody came back" in (await watching).end.error.message
    await exchange.wait_closed()


async def test_who_only_looks_on_sets_no_pace(rig):
    """It does not read at all; the others get everything, and it hears that it has missed something."""
    async with rig.begun(f"fake/{LONGER_THAN_BUFFERS}", call_id="one", resume=LONG) as (exchange, heard):
        watching = rig.stub.Attach(AttachRequest(call_id="one", tenant="acme", is_watching=True), timeout=30)
        async with closing(watching) as messages:
            await anext(messages)
            await heard.until_over(20.0)
            assert heard.reason == ""
            behind = [event async for message in messages for event in message.events]
        assert behind[-1].failed.error.reason == ERROR_REASON_EVENTS_LOST
    assert exchange.written > 64 << 20


async def test_who_began_it_reads_the_end_when_its_client_is_gone(rig):
    """And none other is to settle the call, whoever comes back meanwhile."""
    async with rig.begun("fake/words=40,pace=10ms", call_id="one", resume=LONG) as (_, heard):
        await rig.until(lambda: bool(heard.body))
        await rig.control("one", DETACH)
        assert left(rig) == 1
        back = await rig.attach("one", 1)
        await heard.until_over()
        later = await rig.attach("one")
    assert (heard.reason, back.reason) == ("", "")
    assert (back.settles, later.settles) == (False, False)
    assert heard.frames == later.frames


async def test_a_detached_call_ends_with_its_window(rig):
    async with rig.begun("fake/words=1000,pace=20ms", call_id="one", resume=SHORT) as (exchange, heard):
        await rig.until(lambda: bool(heard.body))
        await rig.control("one", DETACH)
        await heard.until_over()
        await exchange.wait_closed()
    assert heard.reason == "CANCELLED"


async def test_detaching_ends_a_call_that_cannot_be_come_back_to(rig):
    async with rig.begun("fake/words=1000,pace=20ms", call_id="one") as (exchange, heard):
        await rig.until(lambda: bool(heard.body))
        await rig.control("one", DETACH)
        await exchange.wait_closed()
        await heard.until_over()
    assert heard.reason == "CANCELLED"


@pytest.mark.parametrize("end", ["words=40,pace=10ms", "words=40,pace=10ms,cut_events=20"])
async def test_when_who_began_it_is_gone_one_that_follows_to_the_end_settles(rig, end):
    _, before = await leave(rig, end, resume=LONG)
    watching = asyncio.create_task(rig.attach("one", is_watching=True))
    heard = await asyncio.gather(*(rig.attach("one", len(before.frames)) for _ in range(3)))
    later = await rig.attach("one")
    assert sorted(one.settles for one in heard) == [False, False, True]
    assert ((await watching).settles, later.settles) == (False, False)


async def test_who_began_a_call_that_it_heard_the_end_of_settles_it_alone(rig):
    heard = await rig.call("fake/words=3", call_id="one", resume=LONG)
    assert heard.reason == ""
    assert not (await rig.attach("one")).settles


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_paused_for_longer_than_its_window_ends_and_says_so(rig, stream):
    wishes = "hang=body" if not stream else "words=1000,pace=20ms"
    async with rig.begun(f"fake/{wishes}", call_id="one", pause=SHORT, stream=stream) as (exchange, heard):
        await rig.control("one", PAUSE)
        await exchange.wait_closed()
        await heard.until_over()
    assert heard.reason == "DEADLINE_EXCEEDED"
    assert "paused for longer than" in heard.end.error.message
    assert passed(rig, "pause")


async def test_a_pause_reaches_the_providers_socket_and_what_goes_on_in_time_loses_nothing(rig):
    async with rig.begun(f"fake/{LONGER_THAN_BUFFERS}", call_id="one", pause=LONG) as (exchange, heard):
        await exchange.wait_written(1)
        await rig.control("one", PAUSE)
        assert await exchange.wait_still() < 32 << 20
        await rig.control("one", RESUME)
        await heard.until_over(20.0)
    assert (heard.reason, len(heard.frames)) == ("", 1024 + 3)


async def test_a_pause_that_is_too_long_closes_a_socket_that_nobody_reads(rig):
    """Its provider waits in a write, with the kernel's buffers full."""
    async with rig.begun(f"fake/{LONGER_THAN_BUFFERS}", call_id="one", pause=1.5, resume=LONG) as (exchange, heard):
        await exchange.wait_written(1)
        await rig.control("one", PAUSE)
        await exchange.wait_still()
        await exchange.wait_closed()
        await heard.until_over()
    assert heard.reason == "DEADLINE_EXCEEDED"
    assert heard.end.last_seq == len(heard.frames)


async def test_resuming_stops_the_pauses_window(rig):
    async with rig.begun("fake/words=60,pace=10ms", call_id="one", pause=SHORT) as (_, heard):
        await rig.control("one", PAUSE)
        await rig.control("one", RESUME)
        await heard.until_over()
    assert heard.reason == ""


async def test_a_paused_answer_that_is_whole_is_not_waited_for_any_longer_than_the_window(rig):
    async with rig.begun("fake/words=20,pace=5ms", call_id="one", pause=SHORT) as (exchange, heard):
        await rig.until(lambda: bool(heard.body))
        await rig.control("one", PAUSE)
        await exchange.wait_over()
        await heard.until_over()
    assert heard.reason == "DEADLINE_EXCEEDED"


async def test_windows_are_each_calls_own_where_calls_share(rig):
    """One that has left and may come back holds the flight; the other's leaving ends nothing."""
    key = b"k" * 32
    exchange, before = await leave(rig, "words=60,pace=10ms", resume=LONG, key=key)
    async with rig.begun_beside("fake/words=60,pace=10ms", call_id="two", key=key) as other:
        await rig.until(lambda: len(other.body) > len(before.body))
    assert not exchange.closed_early.is_set()
    with pytest.raises(RunestoneError):
        await rig.attach("two")
    heard = await rig.attach("one", len(before.frames))
    assert (heard.reason, heard.settles, rig.fake.requests) == ("", True, 1)


async def test_of_calls_that_share_one_ends_with_its_window_and_the_other_goes_on(rig):
    key = b"k" * 32
    exchange, _ = await leave(rig, "words=60,pace=20ms", resume=SHORT, key=key)
    async with rig.begun_beside("fake/words=60,pace=20ms", call_id="two", key=key) as other:
        await rig.until(lambda: passed(rig, "resume"))
        with pytest.raises(RunestoneError):
            await rig.attach("one")
        await other.until_over()
    assert other.reason == ""
    assert not exchange.closed_early.is_set()


@pytest.mark.parametrize(
    ("field", "seconds"), [("resume_window", -1), ("resume_window", 3601), ("pause_window", -1), ("pause_window", 0)]
)
async def test_a_window_that_cannot_be_begins_nothing(rig, field, seconds):
    request = rig.request("fake/words=1")
    getattr(request, field).FromSeconds(seconds)
    with pytest.raises(RunestoneError) as error:
        await rig.hear(rig.stub.Call(request, timeout=5))
    assert (error.value.reason, error.value.param) == (Reason.INVALID_REQUEST, field)
    assert rig.fake.requests == 0


async def test_another_tenants_call_can_neither_be_detached_nor_looked_on(rig):
    async with rig.begun("fake/words=1000,pace=20ms", call_id="one", resume=LONG):
        for attempt in (
            rig.control("one", DETACH, tenant="other"),
            rig.attach("one", tenant="other", is_watching=True),
        ):
            with pytest.raises(RunestoneError) as error:
                await attempt
            assert error.value.reason is Reason.NOT_FOUND
        assert left(rig) == 0
        await rig.control("one", CANCEL)
