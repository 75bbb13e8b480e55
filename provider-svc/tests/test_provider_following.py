"""Row 6 of the fault table, and what following a call promises: leaving, attaching, pausing, falling behind, stopping."""

import asyncio

import pytest

from chassis.client import closing
from chassis.errors import Reason, RunestoneError
from runestone.common.v1.dialect_pb2 import DIALECT_UNSPECIFIED
from runestone.provider.v1.provider_pb2 import AttachRequest, ControlRequest

PAUSE, RESUME, CANCEL = ControlRequest.ACTION_PAUSE, ControlRequest.ACTION_RESUME, ControlRequest.ACTION_CANCEL

LONGER_THAN_BUFFERS = "huge=64KiB,repeat=1024"  # 64 MiB in events of 64 KiB


@pytest.mark.parametrize("kind", ["fake", "claude"])
@pytest.mark.parametrize(("wishes", "stream"), [("hang=headers", True), ("hang=headers", False), ("hang=body", False)])
async def test_leaving_before_the_first_byte_closes_the_providers_socket(rig, kind, wishes, stream):
    async with rig.begun(f"{kind}/{wishes}", stream=stream) as (exchange, _):
        assert not exchange.closed_early.is_set()
    await exchange.wait_closed()


@pytest.mark.parametrize("kind", ["fake", "claude"])
async def test_leaving_mid_stream_closes_the_providers_socket(rig, kind):
    async with rig.begun(f"{kind}/words=1000,pace=20ms") as (exchange, heard):
        await exchange.wait_written(500)
        assert not exchange.closed_early.is_set()
    await exchange.wait_closed()
    assert heard.body


async def test_the_clients_deadline_closes_the_providers_socket(rig):
    """Both ends have the deadline: whichever sees it first says so, the client's by an error, the service's by `failed`."""
    hearing = asyncio.create_task(rig.hear(rig.stub.Call(rig.request("fake/hang=headers"), timeout=1)))
    exchange = await rig.fake.exchange()
    assert await reason_of(hearing) is Reason.DEADLINE_EXCEEDED
    await exchange.wait_closed()


async def reason_of(hearing) -> Reason:
    """Why a call failed, by its last event or by the rpc's error."""
    try:
        return Reason((await hearing).reason)
    except RunestoneError as error:
        return error.reason


async def test_a_subscriber_that_does_not_read_and_leaves_closes_the_providers_socket(rig):
    """grpc holds the generator of such an rpc in the middle of a send; the call must end all the same."""
    async with closing(rig.stub.Call(rig.request(f"fake/{LONGER_THAN_BUFFERS}"), timeout=30)) as messages:
        await anext(messages)
        exchange = await rig.fake.exchange()
        await exchange.wait_still()
        assert not exchange.over.is_set()
    await exchange.wait_closed()


async def test_a_slow_subscriber_stops_the_provider_instead_of_filling_memory(rig):
    """What is out of the provider's hands is what fits into the window and the buffers between, not the answer."""
    async with closing(rig.stub.Call(rig.request(f"fake/{LONGER_THAN_BUFFERS}"), timeout=30)) as messages:
        await anext(messages)
        exchange = await rig.fake.exchange()
        written = await exchange.wait_still()
        assert written < 32 << 20
        rest = [message async for message in messages]
    assert rest[-1].events[-1].HasField("completed")
    assert exchange.written > 64 << 20


async def test_pause_stops_the_provider_and_resume_completes_the_answer(rig):
    async with rig.begun(f"fake/{LONGER_THAN_BUFFERS}", call_id="long") as (exchange, heard):
        await exchange.wait_written(1)
        paused = await rig.control("long", PAUSE)
        assert paused.paused
        written = await exchange.wait_still()
        assert written < 32 << 20
        again = await rig.control("long", PAUSE)
        assert again.paused
        assert not (await rig.control("long", RESUME)).paused
        async with asyncio.timeout(20):
            await exchange.over.wait()
        assert not exchange.closed_early.is_set()
        await heard.until_over()
    assert heard.reason == ""
    assert len(heard.frames) == heard.events[-2].data.first_seq + len(heard.events[-2].data.ends) - 1


async def test_attaching_behind_what_the_ring_holds_says_which_events_are_lost(rig):
    await rig.call(f"fake/{LONGER_THAN_BUFFERS}", call_id="long")
    with pytest.raises(RunestoneError) as error:
        await rig.attach("long", 1)
    assert error.value.reason is Reason.EVENTS_LOST
    assert (await rig.attach("long", 1026)).reason == ""


async def test_cancel_closes_the_providers_socket_and_tells_every_subscriber(rig):
    async with rig.begun("fake/words=1000,pace=20ms", call_id="one") as (exchange, heard):
        await exchange.wait_written(500)
        other = asyncio.create_task(rig.attach("one"))
        await asyncio.sleep(0)
        await rig.control("one", CANCEL)
        await exchange.wait_closed()
        assert (await other).reason == "CANCELLED"
        await rig.until_idle()
    assert heard.reason == "CANCELLED"
    assert heard.end.last_seq == len(heard.frames)


async def test_attaching_shows_the_same_events_from_anywhere(rig):
    async with rig.begun("fake/words=30,pace=10ms", call_id="one") as (_, heard):
        from_the_start, later = await asyncio.gather(rig.attach("one"), rig.attach("one", 0))
        after = await rig.attach("one", 20)
    assert from_the_start.frames == later.frames
    assert after.frames == later.frames[20:]
    assert after.events[0].HasField("accepted")
    assert from_the_start.body.startswith(heard.body)
    assert (from_the_start.reason, after.reason) == ("", "")


async def test_a_call_lives_as_long_as_anybody_follows_it(rig):
    async with rig.begun("fake/words=40,pace=10ms", call_id="one") as (exchange, _):
        await exchange.wait_written(500)
        responses = rig.stub.Attach(AttachRequest(call_id="one", tenant="acme"))
        other = asyncio.create_task(rig.hear(responses))
        async with asyncio.timeout(5):
            while rig.gauge("runestone_rpc_server_running") < 2:
                await asyncio.sleep(0.005)
    heard = await other
    assert heard.reason == ""
    assert not exchange.closed_early.is_set()


async def test_a_call_that_is_over_can_be_attached_to_for_a_moment(rig):
    heard = await rig.call("fake/words=3", call_id="one")
    assert (await rig.attach("one")).frames == heard.frames


async def test_another_tenants_call_is_not_found(rig):
    async with rig.begun("fake/words=1000,pace=20ms", call_id="one") as (exchange, _):
        await exchange.wait_written(1)
        for attempt in (rig.attach("one", tenant="other"), rig.control("one", CANCEL, tenant="other")):
            with pytest.raises(RunestoneError) as error:
                await attempt
            assert error.value.reason is Reason.NOT_FOUND
        assert not exchange.closed_early.is_set()


async def test_an_unknown_call_is_not_found(rig):
    for attempt in (rig.attach("none"), rig.control("none", PAUSE)):
        with pytest.raises(RunestoneError) as error:
            await attempt
        assert error.value.reason is Reason.NOT_FOUND


async def test_a_running_call_id_cannot_be_begun_twice(rig):
    async with rig.begun("fake/hang=headers", call_id="one"):
        with pytest.raises(RunestoneError) as error:
            await rig.call("fake/words=1", call_id="one", tenant="other")
        assert error.value.reason is Reason.CALL_EXISTS
        assert rig.fake.requests == 1


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"call_id": ""}, "call_id"),
        ({"tenant": ""}, "tenant"),
        ({"model": ""}, "model"),
        ({"dialect": DIALECT_UNSPECIFIED}, "dialect"),
        ({"body": b"[]"}, "body"),
        ({"body": b'{"a": ' + b"[" * 100_000}, "body"),
    ],
)
async def test_a_request_that_cannot_be_understood_begins_nothing(rig, change, param):
    request = rig.request("fake/words=1")
    for name, value in change.items():
        setattr(request, name, value)
    with pytest.raises(RunestoneError) as error:
        await rig.hear(rig.stub.Call(request, timeout=5))
    assert (error.value.reason, error.value.param) == (Reason.INVALID_REQUEST, param)
    assert rig.fake.requests == 0


async def test_an_unknown_model_begins_nothing(rig):
    with pytest.raises(RunestoneError) as error:
        await rig.call("nobody/knows")
    assert error.value.reason is Reason.MODEL_NOT_FOUND


async def test_an_action_must_be_said(rig):
    async with rig.begun("fake/hang=headers", call_id="one"):
        with pytest.raises(RunestoneError) as error:
            await rig.control("one", ControlRequest.ACTION_UNSPECIFIED)
        assert error.value.reason is Reason.INVALID_REQUEST


async def test_stopping_the_service_says_so_to_running_calls(open_rig):
    """After the grace (none here) a call fails with UNAVAILABLE: the subscriber reads an end, not a broken rpc."""
    async with open_rig() as rig:
        async with rig.begun("fake/words=1000,pace=20ms", call_id="one") as (exchange, heard):
            await exchange.wait_written(500)
            for stop in rig.runtime._stops:
                await stop(0)
            await exchange.wait_closed()
            with pytest.raises(RunestoneError) as error:
                await rig.call("fake/words=1")
            assert error.value.reason is Reason.UNAVAILABLE
        assert heard.reason == "UNAVAILABLE"


async def test_events_that_are_ready_travel_together(rig):
    """A simulated answer without a pace is there at once: one message carries its beginning, its events and its end."""
    heard = await rig.call("sim/words=50")
    assert heard.messages == 1
    assert len(heard.frames) == 53
    assert heard.reason == ""
