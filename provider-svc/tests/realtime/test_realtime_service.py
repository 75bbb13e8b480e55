"""RealtimeService on a socket, in front of a fake provider of sessions: what must hold however a session ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fake_realtime import FakeRealtime

from chassis.client import closing
from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.testing import free_port, running
from provider_svc.realtime.upstream import write_uri
from provider_svc.service import SERVICE
from runestone.realtime.v1.realtime_pb2 import CloseRequest, Message, OpenRequest, RealtimeEvent, SendRequest
from runestone.realtime.v1.realtime_pb2_grpc import RealtimeServiceStub

PATIENCE = 10.0


class Stage:
    def __init__(self, stub: RealtimeServiceStub, provider: FakeRealtime, metrics) -> None:
        self.stub = stub
        self.provider = provider
        self._metrics = metrics

    @property
    def open_sessions(self) -> float:
        lines = self._metrics.exposition().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("runestone_realtime_sessions "))

    @asynccontextmanager
    async def session(self, model: str, call_id: str = "a") -> AsyncIterator["Session"]:
        request = OpenRequest(call_id=call_id, tenant="acme", model=f"rt/{model}")
        async with closing(self.stub.Open(request)) as responses:
            yield Session(self, responses, call_id)

    async def until_idle(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.open_sessions:
                await asyncio.sleep(0.005)


class Session:
    def __init__(self, stage: Stage, responses, call_id: str) -> None:
        self._stage = stage
        self._responses = responses
        self._call_id = call_id

    async def read(self) -> RealtimeEvent:
        async with asyncio.timeout(PATIENCE):
            return (await anext(self._responses)).events[0]

    async def send(self, *bodies: bytes, tenant: str = "acme") -> None:
        messages = [Message(body=body) for body in bodies]
        await self._stage.stub.Send(SendRequest(call_id=self._call_id, tenant=tenant, messages=messages))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    port = free_port()
    settings = parse_settings(f"""
    providers:
      - {{name: rt, kind: openai, base_url: "http://127.0.0.1:{port}/v1/", api_key: sk-canary, timeouts: {{connect: 1s}}}}
      - {{name: claude, kind: anthropic, api_key: sk-canary}}
    """)
    async with FakeRealtime(port) as provider, running(SERVICE, settings) as (runtime, channel):
        yield Stage(RealtimeServiceStub(channel), provider, runtime.metrics)


async def test_leaving_closes_the_providers_socket_and_forgets_the_session(stage: Stage) -> None:
    async with stage.session("echo") as session:
        assert (await session.read()).opened.provider == "rt"
        await session.read()
        visit = await stage.provider.visit()
        assert stage.open_sessions == 1
    async with asyncio.timeout(PATIENCE):
        await visit.closed.wait()
    await stage.until_idle()


async def test_leaving_does_not_wait_for_a_provider_that_hangs(stage: Stage) -> None:
    """It neither reads nor answers the close frame; its socket is closed all the same."""
    async with stage.session("deaf") as session:
        await session.read()
        await session.read()
    await stage.until_idle()


async def test_closing_is_answered_with_the_end(stage: Stage) -> None:
    async with stage.session("echo") as session:
        await session.read()
        await session.read()
        await stage.stub.Close(CloseRequest(call_id="a", tenant="acme", code=4000, reason="done"))
        ended = (await session.read()).ended
    assert (ended.code, ended.created) == (4000, True)
    visit = await stage.provider.visit()
    assert (visit.code, visit.reason) == (4000, "done")


async def test_another_tenants_session_is_none(stage: Stage) -> None:
    """In the same words as one that there is not."""
    async with stage.session("echo") as session:
        await session.read()
        messages = []
        for call_id, tenant in (("a", "other"), ("b", "acme")):
            with pytest.raises(RunestoneError) as caught:
                await stage.stub.Send(SendRequest(call_id=call_id, tenant=tenant, messages=[Message(body=b"{}")]))
            messages.append((caught.value.reason, caught.value.message))
            with pytest.raises(RunestoneError):
                await stage.stub.Close(CloseRequest(call_id=call_id, tenant=tenant, code=1000))
        assert messages == [(Reason.NOT_FOUND, "no such session, or it is over")] * 2
        assert not (await stage.provider.visit()).said


async def test_an_id_is_one_sessions(stage: Stage) -> None:
    async with stage.session("echo") as first:
        await first.read()
        async with stage.session("echo") as second:
            with pytest.raises(RunestoneError) as caught:
                await second.read()
        assert caught.value.reason is Reason.CALL_EXISTS
        await first.read()
        await first.send(b'{"type": "x"}')
        assert (await first.read()).message.body == b'{"type": "x"}'


async def test_text_that_is_none_is_refused(stage: Stage) -> None:
    async with stage.session("echo") as session:
        await session.read()
        with pytest.raises(RunestoneError) as caught:
            await session.send(b"\xff")
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize(
    ("model", "reason", "retry_after"),
    [
        ("status=401", Reason.PROVIDER_CREDENTIALS_REFUSED, None),
        ("status=404", Reason.PROVIDER_REFUSED, None),
        ("status=429", Reason.PROVIDER_RATE_LIMITED, 3.0),
        ("redirect", Reason.PROVIDER_FAILED, None),
    ],
)
async def test_a_refusal_is_told_as_everywhere(
    stage: Stage, model: str, reason: Reason, retry_after: float | None
) -> None:
    """A redirect is not followed: the key would go where nobody said."""
    async with stage.session(model) as session:
        with pytest.raises(RunestoneError) as caught:
            await session.read()
    assert (caught.value.reason, caught.value.retry_after) == (reason, retry_after)
    assert "sk-canary" not in caught.value.message
    assert not stage.provider.visits
    await stage.until_idle()


def test_sessions_are_where_the_sdk_looks_for_them() -> None:
    assert (
        write_uri("https://api.openai.com/v1", "gpt-realtime") == "wss://api.openai.com/v1/realtime?model=gpt-realtime"
    )
    assert write_uri("http://h:1/x/", "a&b=c") == "ws://h:1/x/realtime?model=a%26b%3Dc"
