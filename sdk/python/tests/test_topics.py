"""Joining, leaving, asking: what a topic promises while there is a connection."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_gateway import FakeGateway, until

import runestone_client
from runestone_client import Backoff, Client, Settings

QUICK = Backoff(shortest=0.001, longest=0.02)
SETTINGS = Settings(backoff=QUICK, rejoin_backoff=QUICK, reply_timeout=2, close_timeout=0.5)
BUSY = {"reason": "overloaded", "status": 503, "error": {"message": "busy"}, "retry_after_ms": 5}


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as running:
        yield running


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[Client]:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as opened:
        yield opened


async def test_a_join_that_is_refused_says_why(gateway: FakeGateway, client: Client) -> None:
    error = {"message": "not here", "type": "permission_error", "code": "room_not_allowed", "param": None}
    gateway.join_refusals = [{"reason": "permission_denied", "status": 403, "error": error}]
    with pytest.raises(runestone_client.PermissionDeniedError, match="not here") as caught:
        await client.room("secret")
    assert (caught.value.code, caught.value.reason) == ("room_not_allowed", "permission_denied")
    assert (await client.room("secret")).key == "me"


async def test_a_join_is_tried_again_where_its_refusal_passes(gateway: FakeGateway, client: Client) -> None:
    gateway.join_refusals = [BUSY, {"reason": "too many joins"}]
    async with client.session():
        assert len(gateway.events("phx_join")) == 3


async def test_a_refusal_has_the_gateways_words(gateway: FakeGateway, client: Client) -> None:
    async with client.session() as session:
        with pytest.raises(runestone_client.UnavailableError, match="busy") as caught:
            await session.channel.push("refuse", BUSY)
        assert caught.value.retry_after == 0.005


async def test_a_topic_that_was_left_can_be_joined_again(gateway: FakeGateway, client: Client) -> None:
    session = await client.session("a")
    with pytest.raises(runestone_client.ClosedError):
        await client.session("a")
    await session.leave()
    await session.leave()
    async with client.session("a") as again:
        assert await again.channel.push("echo", 1) == 1
    assert len(gateway.events("phx_leave")) == 2
    with pytest.raises(runestone_client.ClosedError):
        await session.channel.push("echo", 1)


async def test_leaving_ends_the_streams_for_their_readers(client: Client) -> None:
    async with client.session() as session:
        stream = await session.stream({"size": 5})
    with pytest.raises(runestone_client.ClosedError):
        await stream.finish()


async def test_a_loop_reads_a_stream_and_its_early_end_cancels_it(gateway: FakeGateway, client: Client) -> None:
    async with client.session() as session:

        async def read() -> None:
            async for chunk in session.stream({"size": 50}):
                if chunk.seq == 3:
                    return

        reading = asyncio.create_task(read())
        await until(lambda: gateway.counts)
        gateway.say(10)
        await reading
        await until(lambda: gateway.events("stream:control"))
        assert gateway.events("stream:control") == [{"stream_id": "s0", "action": "cancel"}]


async def test_who_is_cancelled_while_asking_leaves_no_stream_behind(gateway: FakeGateway, client: Client) -> None:
    async with client.session() as session:

        async def ask() -> None:
            await session.stream({"size": 5})

        gateway.silent = {"chat:stream"}
        asking = asyncio.create_task(ask())
        await until(lambda: gateway.events("chat:stream"))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        (connection,) = gateway.connections
        (ref,) = session.channel._unanswered
        reply = {"status": "ok", "response": {"stream_id": "s9"}}
        gateway._send(connection, [None, ref, session.channel.topic, "phx_reply", reply])
        await until(lambda: gateway.events("stream:control"))
        assert gateway.events("stream:control") == [{"stream_id": "s9", "action": "cancel"}]
        assert session.streams == ()


async def test_a_gap_in_a_stream_is_an_error_and_not_an_answer(gateway: FakeGateway, client: Client) -> None:
    async with client.session("a") as session:
        stream = await session.stream({"size": 9})
        gateway.say(2)
        gateway.push("session:a", "stream:chunk", {"stream_id": stream.id, "seq": 4, "chunk": {}})
        assert [(await anext(stream)).seq for _ in range(2)] == [1, 2]
        with pytest.raises(runestone_client.EventsLostError):
            await anext(stream)


async def test_who_does_not_read_a_stream_is_told_and_harms_nobody(gateway: FakeGateway) -> None:
    small = Settings(max_unread_bytes=1000)
    async with runestone_client.connect(gateway.url, "k", settings=small) as client, client.session() as session:
        stream = await session.stream({"size": 500})
        gateway.say(500)
        assert await session.channel.push("echo", 1) == 1
        with pytest.raises(runestone_client.ReadTooSlowlyError):
            await stream.finish()


async def test_a_stream_that_says_nothing_is_given_up(gateway: FakeGateway) -> None:
    hasty = Settings(idle_timeout=0.05)
    async with runestone_client.connect(gateway.url, "k", settings=hasty) as client, client.session() as session:
        stream = await session.stream({"size": 5})
        with pytest.raises(runestone_client.ReplyTimeoutError):
            await stream.finish()


async def test_no_reply_in_time_is_an_error_that_says_whether_it_was_sent(gateway: FakeGateway, client: Client) -> None:
    async with client.session() as session:
        gateway.silent = {"echo"}
        with pytest.raises(runestone_client.ReplyTimeoutError) as caught:
            await session.channel.push("echo", 1, timeout=0.05)
        assert caught.value.may_have_run


async def test_a_channel_that_crashed_is_joined_anew_with_its_streams(gateway: FakeGateway, client: Client) -> None:
    async with client.session("a") as session:
        stream = await session.stream({"size": 4})
        gateway.say(2)
        await anext(stream)
        gateway.counts[stream.id].readers.clear()
        gateway.push("session:a", "phx_error", {})
        await until(lambda: len(gateway.events("phx_join")) == 2)
        gateway.say(2)
        assert await stream.finish() == "1 2 3 4 "
        assert gateway.events("phx_join")[1] == {"resume": {stream.id: 2}}


async def test_a_resume_that_fails_in_passing_is_tried_again(gateway: FakeGateway, client: Client) -> None:
    async with client.session() as session:
        stream = await session.stream({"size": 4})
        gateway.say(2)
        await anext(stream)
        gateway.resume_refusals = [BUSY, BUSY]
        gateway.cut()
        gateway.say(2)
        assert await stream.finish() == "1 2 3 4 "
        assert len(gateway.events("phx_join")) == 4


async def test_a_resume_that_keeps_failing_ends_the_stream(gateway: FakeGateway, client: Client) -> None:
    async with client.session() as session:
        stream = await session.stream({"size": 4})
        gateway.say(2)
        gateway.resume_refusals = [BUSY] * 50
        gateway.cut()
        with pytest.raises(runestone_client.UnavailableError):
            await stream.finish()
        assert len(gateway.resume_refusals) < 50


async def test_a_stream_that_fails_is_not_taken_for_a_failed_resume(gateway: FakeGateway, client: Client) -> None:
    async with client.session("a") as session:
        stream = await session.stream({"size": 4})
        gateway.push("session:a", "stream:error", {"stream_id": stream.id, **BUSY})
        with pytest.raises(runestone_client.UnavailableError):
            await stream.finish()
        assert len(gateway.events("phx_join")) == 1
