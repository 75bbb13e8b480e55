"""What a client promises when its connection goes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_gateway import FakeGateway, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runestone_client
from runestone_client import Backoff, Settings

QUICK = Backoff(shortest=0.001, longest=0.02)
SETTINGS = Settings(backoff=QUICK, rejoin_backoff=QUICK, reply_timeout=5, close_timeout=0.5, drain_spread=0.01)
FULL = [f"{n} " for n in range(1, 31)]


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as running:
        yield running


@given(
    steps=st.lists(st.one_of(st.just("cut"), st.just(1012), st.integers(0, 9).map(lambda n: -n)), max_size=12),
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=3),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
async def test_any_sequence_of_cuts_gives_exactly_the_uncut_answers(steps: list[str | int], sizes: list[int]) -> None:
    async with FakeGateway() as gateway, runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client:
        async with client.session() as session:
            streams = [await session.stream({"size": size}) for size in sizes]
            reading = [asyncio.create_task(read(stream)) for stream in streams]
            for step in steps:
                if step == "cut":
                    gateway.cut()
                elif isinstance(step, int) and step > 0:
                    await gateway.close(step)
                elif isinstance(step, int):
                    gateway.say(-step, -step // 2 or 1)
                    await asyncio.sleep(0)
            gateway.say(100)
            async with asyncio.timeout(10):
                assert await asyncio.gather(*reading) == [FULL[:size] for size in sizes]
            assert [stream.usage for stream in streams] == [{"output_tokens": size} for size in sizes]
    assert len(gateway.events("chat:stream")) == len(sizes)


async def read(stream: runestone_client.Stream) -> list[str]:
    return [chunk.text async for chunk in stream]


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013])
async def test_a_client_comes_back_when_the_gateway_goes_away(gateway: FakeGateway, code: int) -> None:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session("a") as session:
        await gateway.close(code)
        assert await session.channel.push("echo", {"a": 1}) == {"a": 1}
    assert len(gateway.events("phx_join")) == 2


async def test_a_client_moves_on_when_the_gateway_says_that_it_stops(gateway: FakeGateway) -> None:
    """What was asked is answered before; what is asked from then on is asked elsewhere; streams go on."""
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session("a") as session:
        stream = await session.stream({"size": 4})
        gateway.say(2)
        gateway.silent = {"chat:message"}
        asked = asyncio.create_task(session.message({"q": 1}))
        await until(lambda: gateway.events("chat:message"))
        (ref,) = session.channel._unanswered
        (old,) = gateway.connections
        gateway._send(old, [None, None, "phoenix", "phx_drain", {}])
        await until(lambda: client.state == "connecting")
        later = asyncio.create_task(session.channel.push("echo", 1))
        gateway._send(old, [None, ref, "session:a", "phx_reply", {"status": "ok", "response": {"a": 1}}])
        assert await asked == {"a": 1}
        assert await later == 1
        assert gateway.connections != [old]
        gateway.say(2)
        assert await stream.finish() == "1 2 3 4 "


async def ask_and_be_closed(
    gateway: FakeGateway, session: runestone_client.Session, code: int
) -> "asyncio.Task[object]":
    """A message that was read and not answered when the connection was closed."""
    gateway.silent = {"chat:message"}
    asked = asyncio.create_task(session.message({"q": 1}))
    await until(lambda: gateway.events("chat:message"))
    gateway.silent = set()
    await gateway.close(code)
    return asked


async def test_what_a_restarting_gateway_did_not_answer_is_asked_again(gateway: FakeGateway) -> None:
    """It closes with 1012 only where nothing that was asked is running."""
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session() as session:
        asked = await ask_and_be_closed(gateway, session, 1012)
        assert await asked is not None
    assert len(gateway.events("chat:message")) == 2


@pytest.mark.parametrize("code", [1001, 1011])
async def test_what_may_have_been_begun_is_not_asked_again(gateway: FakeGateway, code: int) -> None:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session() as session:
        with pytest.raises(runestone_client.ConnectionLostError) as caught:
            await (await ask_and_be_closed(gateway, session, code))
        assert caught.value.may_have_run
    assert len(gateway.events("chat:message")) == 1


@pytest.mark.parametrize("code", [1000, 1002, 1008, 1009])
async def test_a_client_does_not_come_back_when_it_is_not_wanted(gateway: FakeGateway, code: int) -> None:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session() as session:
        stream = await session.stream({"size": 5})
        await gateway.close(code)
        with pytest.raises(runestone_client.ConnectionLostError) as caught:
            await stream.finish()
        assert caught.value.code == code
        assert client.state == "closed"
        with pytest.raises(runestone_client.ClosedError):
            await session.channel.push("echo", {})
        with pytest.raises(runestone_client.ClosedError):
            await client.session()
    assert len(gateway.keys) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, runestone_client.AuthenticationError),
        (403, runestone_client.PermissionDeniedError),
        (404, runestone_client.NotFoundError),
    ],
)
async def test_a_refused_handshake_is_refused_once(gateway: FakeGateway, status: int, error: type[Exception]) -> None:
    gateway.refusals = [status] * 5
    with pytest.raises(error) as caught:
        async with runestone_client.connect(gateway.url, "k", settings=SETTINGS):
            raise AssertionError("nobody is let in")
    assert isinstance(caught.value, runestone_client.GatewayError)
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (status, "c", 0.02)
    assert len(gateway.keys) == 1


async def test_a_key_is_not_carried_to_where_a_gateway_points(gateway: FakeGateway) -> None:
    async with FakeGateway() as other:
        gateway.refusals, gateway.moved_to = [302], other.url
        with pytest.raises(runestone_client.GatewayError):
            async with runestone_client.connect(gateway.url, "k", settings=SETTINGS):
                raise AssertionError("it went elsewhere")
        assert other.keys == []


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_passing_refusal_is_waited_out(gateway: FakeGateway, status: int) -> None:
    gateway.refusals = [status] * 3
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client:
        assert client.state == "connected"
    assert len(gateway.keys) == 4


async def test_a_key_that_is_revoked_ends_a_client_that_comes_back(gateway: FakeGateway) -> None:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session() as session:
        stream = await session.stream({"size": 5})
        gateway.refusals = [401]
        gateway.cut()
        with pytest.raises(runestone_client.AuthenticationError):
            await stream.finish()


async def test_the_key_and_the_address_are_asked_for_each_connection(gateway: FakeGateway) -> None:
    keys = iter(["one", "two"])

    async def fetch_key() -> str:
        return next(keys)

    async with runestone_client.connect(lambda: gateway.url, fetch_key, settings=SETTINGS) as client:
        gateway.cut()
        await until(lambda: len(gateway.keys) == 2)
        await until(lambda: client.state == "connected")
    assert gateway.keys == ["Bearer one", "Bearer two"]


async def test_what_is_pushed_without_a_connection_waits_for_one(gateway: FakeGateway) -> None:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session() as session:
        gateway.refusals = [503] * 3
        gateway.cut()
        await until(lambda: client.state == "connecting")
        replies = [session.channel.push("echo", n) for n in range(5)]
        assert await asyncio.gather(*replies) == list(range(5))
    assert gateway.events("echo") == list(range(5))


async def test_the_queue_is_bounded_and_says_so(gateway: FakeGateway) -> None:
    few = Settings(backoff=QUICK, max_queue=2, reply_timeout=5)
    async with runestone_client.connect(gateway.url, "k", settings=few) as client, client.session() as session:
        gateway.silent = {"echo"}
        waiting = [asyncio.create_task(session.channel.push("echo", n)) for n in range(2)]
        await until(lambda: len(gateway.events("echo")) == 2)
        with pytest.raises(runestone_client.QueueFullError):
            await session.channel.push("echo", 3)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        gateway.silent = set()
        assert await session.channel.push("echo", 4) == 4
        with pytest.raises(runestone_client.QueueFullError):
            await session.channel.push("echo", "x" * few.max_queue_bytes)


async def test_what_may_have_been_done_is_not_done_again_behind_ones_back(gateway: FakeGateway) -> None:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session() as session:
        gateway.silent = {"chat:message"}
        asked = asyncio.create_task(session.message({"q": 1}))
        await until(lambda: gateway.events("chat:message"))
        gateway.cut()
        with pytest.raises(runestone_client.ConnectionLostError) as caught:
            await asked
        assert caught.value.may_have_run
        await until(lambda: len(gateway.events("phx_join")) == 2)
        assert len(gateway.events("chat:message")) == 1


async def test_what_has_an_idempotency_key_is_asked_again(gateway: FakeGateway) -> None:
    async with runestone_client.connect(gateway.url, "k", settings=SETTINGS) as client, client.session() as session:
        gateway.silent = {"chat:message"}
        asked = asyncio.create_task(session.message({"q": 1}, idempotency_key="once"))
        await until(lambda: gateway.events("chat:message"))
        gateway.silent = set()
        gateway.cut()
        assert (await asked)["headers"] == {"idempotency-key": "once"}
        assert len(gateway.events("chat:message")) == 2


async def test_a_connection_that_does_not_answer_heartbeats_is_given_up(gateway: FakeGateway) -> None:
    nervous = Settings(backoff=QUICK, heartbeat_interval=0.01, heartbeat_timeout=0.05, close_timeout=0.1)
    async with runestone_client.connect(gateway.url, "k", settings=nervous) as client, client.session() as session:
        await until(lambda: len(gateway.events("heartbeat")) > 2)
        assert len(gateway.keys) == 1
        gateway.silent = {"heartbeat"}
        await until(lambda: len(gateway.keys) > 1)
        gateway.silent = set()
        assert await session.channel.push("echo", 1) == 1


async def test_a_client_without_a_gateway_gives_up_in_time() -> None:
    async with FakeGateway() as gone:
        url = gone.url
    with pytest.raises(runestone_client.ReplyTimeoutError, match="no connection: "):
        async with runestone_client.connect(url, "k", settings=Settings(backoff=QUICK, open_timeout=0.2)):
            raise AssertionError("nobody is there")


async def test_a_client_that_was_away_too_long_ends(gateway: FakeGateway) -> None:
    hasty = Settings(backoff=QUICK, max_downtime=0.05)
    async with runestone_client.connect(gateway.url, "k", settings=hasty) as client, client.session() as session:
        stream = await session.stream({"size": 5})
        gateway.refusals = [503] * 10_000
        gateway.cut()
        with pytest.raises(runestone_client.UnavailableError):
            async with asyncio.timeout(10):
                await stream.finish()
