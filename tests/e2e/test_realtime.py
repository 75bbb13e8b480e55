"""Realtime sessions through the whole mesh: the official SDK and a bare WebSocket on one side, a fake provider on the other."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import openai
import pytest
import websockets
from fake_realtime import FakeRealtime
from real_mesh import ACME, LIMITED, PRICES, Mesh, mesh_running
from websockets.asyncio.client import ClientConnection, connect

from chassis.testing import free_port
from runestone.audit.v1.audit_pb2 import AuditRecord
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

PATIENCE = 20.0


class Stage:
    def __init__(self, mesh: Mesh, fake_port: int) -> None:
        self.mesh = mesh
        self.fake_port = fake_port

    def connect(self, model: str, key: str = ACME, **options: Any) -> Any:
        http = self.mesh.about["http"]
        url = f"ws://{http['host']}:{http['port']}/v1/realtime?model={model}"
        return connect(url, additional_headers={"authorization": f"Bearer {key}"}, **options)

    async def record(self, model: str) -> AuditRecord:
        """The newest record of the model's."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for record in await asyncio.to_thread(self.mesh.audit_records, tenant="acme"):
                    if record.model == model:
                        return record
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module", params=[[], ["--one-process"]], ids=["processes", "one-process"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    port = free_port()
    provider = {
        "name": "rt",
        "kind": "openai_compatible",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "api_key": "upstream-secret",
        "timeouts": {"connect": "2s"},
        "prices": PRICES,
    }
    away = {**provider, "name": "away", "base_url": f"http://127.0.0.1:{free_port()}/v1"}
    both = {"name": "both", "targets": [{"provider": "away", "model": "echo"}, {"provider": "rt", "model": "echo"}]}
    claude = {"name": "claude", "kind": "anthropic", "base_url": "http://127.0.0.1:1", "api_key": "x"}
    providers = [provider, away, {"name": "sim", "kind": "simulated"}, claude]
    with mesh_running(*request.param, providers=providers, models=[both]) as mesh:
        yield Stage(mesh, port)


@pytest.fixture
async def provider(stage: Stage) -> AsyncIterator[FakeRealtime]:
    async with FakeRealtime(stage.fake_port) as fake:
        yield fake


async def read(socket: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE):
        return json.loads(await socket.recv())


async def end_of(socket: ClientConnection) -> tuple[list[Any], int, str]:
    """What still came, and with what it was closed."""
    events = []
    async with asyncio.timeout(PATIENCE):
        try:
            async for message in socket:
                events.append(json.loads(message))
        except websockets.ConnectionClosed:
            pass
    assert socket.close_code is not None
    return events, socket.close_code, socket.close_reason or ""


async def test_the_official_sdk_talks_to_a_model(stage: Stage, provider: FakeRealtime) -> None:
    """Unmodified; the provider sees its own key and its own name for the model, and none of ours."""
    async with openai.AsyncOpenAI(base_url=f"{stage.mesh.url}/v1", api_key=ACME) as client:
        async with client.realtime.connect(model="rt/echo") as session:
            async with asyncio.timeout(PATIENCE):
                assert (await session.recv()).type == "session.created"
                await session.response.create()
                kinds = [(await session.recv()).type for _ in range(2)]
    assert kinds == ["response.create", "response.done"]
    visit = await provider.visit()
    assert visit.model == "echo"
    assert visit.headers["authorization"] == "Bearer upstream-secret"
    assert ACME not in str(visit.headers)
    record = await stage.record("rt/echo")
    assert (record.status, record.endpoint, record.provider, record.provider_model) == (
        200,
        "/v1/realtime",
        "rt",
        "echo",
    )


async def test_what_responses_used_adds_up_in_the_record(stage: Stage, provider: FakeRealtime) -> None:
    async with stage.connect("rt/echo=usage") as socket:
        await read(socket)
        for _ in range(3):
            await socket.send('{"type": "response.create"}')
            await read(socket)
            assert (await read(socket))["type"] == "response.done"
    record = await stage.record("rt/echo=usage")
    assert (record.usage.input_tokens, record.usage.output_tokens) == (30, 60)
    assert record.usage.cache_read_input_tokens == 12
    assert record.cost.nano_usd == 18 * 1000 + 12 * 100 + 60 * 2000
    assert record.status == 200


async def test_messages_pass_as_they_are_both_ways(stage: Stage, provider: FakeRealtime) -> None:
    """Text, bytes, order; also what is larger than any buffer on the way."""
    said = [json.dumps({"type": "x", "n": n, "pad": "é" * (n * 20_000)}, ensure_ascii=False) for n in range(8)]
    async with stage.connect("rt/echo", max_size=None) as socket:
        await read(socket)
        for message in (*said, b"\x00\xff" * 1000):
            await socket.send(message)
        async with asyncio.timeout(PATIENCE):
            heard = [await socket.recv() for _ in range(len(said) + 1)]
    assert heard == [*said, b"\x00\xff" * 1000]


async def test_sound_may_come_in_more_pieces_than_other_sockets_take(stage: Stage, provider: FakeRealtime) -> None:
    """A file that is sent as fast as it can be is no flood: it waits for whoever reads it."""
    pieces = [json.dumps({"type": "input_audio_buffer.append", "audio": str(n)}) for n in range(500)]
    async with stage.connect("rt/echo") as socket:
        await read(socket)
        for piece in pieces:
            await socket.send(piece)
        async with asyncio.timeout(PATIENCE):
            assert [await socket.recv() for _ in pieces] == pieces


async def test_a_browsers_key_comes_as_a_subprotocol(stage: Stage, provider: FakeRealtime) -> None:
    http = stage.mesh.about["http"]
    url = f"ws://{http['host']}:{http['port']}/v1/realtime?model=rt/echo"
    protocols = ["realtime", f"openai-insecure-api-key.{ACME}"]
    async with connect(url, subprotocols=protocols) as socket:  # type: ignore[arg-type]  # NewType
        assert socket.subprotocol == "realtime"
        assert (await read(socket))["type"] == "session.created"
    assert ACME not in (await provider.visit()).subprotocols


@pytest.mark.parametrize("code", [1000, 3001, 4999])
async def test_the_clients_code_and_reason_reach_the_provider(stage: Stage, provider: FakeRealtime, code: int) -> None:
    async with stage.connect("rt/echo") as socket:
        await read(socket)
        await socket.close(code, "that was all")
    visit = await provider.visit()
    async with asyncio.timeout(PATIENCE):
        await visit.closed.wait()
    assert (visit.code, visit.reason) == (code, "that was all")


@pytest.mark.parametrize(("code", "status"), [(1000, 200), (1011, 502), (4001, 502)])
async def test_the_providers_code_and_reason_reach_the_client(
    stage: Stage, provider: FakeRealtime, code: int, status: int
) -> None:
    """And what is no good end is none in the record."""
    async with stage.connect(f"rt/late={code}") as socket:
        await read(socket)
        await socket.send('{"type": "x"}')
        assert await end_of(socket) == ([], code, "enough")
    assert (await stage.record(f"rt/late={code}")).status == status


async def test_a_provider_that_vanishes_is_a_failure(stage: Stage, provider: FakeRealtime) -> None:
    async with stage.connect("rt/vanish") as socket:
        await read(socket)
        await socket.send('{"type": "x"}')
        assert (await end_of(socket))[1] == 1011
    assert (await stage.record("rt/vanish")).status == 502


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("rt/status=401", 502, 1011),
        ("rt/status=403", 502, 1011),
        ("rt/status=404", 404, 1008),
        ("rt/status=429", 429, 1013),
        ("rt/status=503", 503, 1011),
        ("rt/redirect", 502, 1011),
        ("away/echo", 502, 1011),
        ("claude/x", 400, 1008),
    ],
)
async def test_a_refused_session_is_told_and_never_a_success(
    stage: Stage, provider: FakeRealtime, model: str, status: int, code: int
) -> None:
    async with stage.connect(model) as socket:
        events, closed_with, _ = await end_of(socket)
    assert [event["type"] for event in events] == ["error"]
    assert closed_with == code
    assert "upstream-secret" not in json.dumps(events)
    record = await stage.record(model)
    assert record.status == status
    assert not record.HasField("usage")


async def test_a_session_that_is_closed_before_it_began_is_a_failure(stage: Stage, provider: FakeRealtime) -> None:
    """Even with 1000; the client gets the provider's own words."""
    async with stage.connect("rt/early=1000") as socket:
        assert await end_of(socket) == ([], 1000, "not today")
    assert (await stage.record("rt/early=1000")).status == 502


async def test_who_may_not_is_refused_before_the_provider_hears_of_it(stage: Stage, provider: FakeRealtime) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        await stage.connect("rt/echo", key="nobody-0123456789")
    assert caught.value.response.status_code == 401
    for model in ("none/such", ""):
        async with stage.connect(model) as socket:
            events, code, _ = await end_of(socket)
        assert (events[0]["type"], code) == ("error", 1008)
    assert not provider.visits


async def test_a_session_counts_as_a_request_of_the_limit(stage: Stage, provider: FakeRealtime) -> None:
    codes = []
    for _ in range(3):
        async with stage.connect("rt/echo", key=LIMITED) as socket:
            first = await read(socket)
            if first["type"] == "error":
                codes.append((await end_of(socket))[1])
                assert first["error"]["code"] == "rate_limit_exceeded"
    assert codes == [1013]
    assert len(provider.visits) == 2


async def test_another_target_is_asked_where_one_is_away(stage: Stage, provider: FakeRealtime) -> None:
    for _ in range(6):
        async with stage.connect("both") as socket:
            assert (await read(socket))["type"] == "session.created"


async def test_a_client_that_is_lost_closes_the_providers_socket(stage: Stage, provider: FakeRealtime) -> None:
    async with stage.connect("rt/echo=lost") as socket:
        await read(socket)
        socket.transport.abort()
    visit = await provider.visit()
    async with asyncio.timeout(PATIENCE):
        await visit.closed.wait()
    assert (await stage.record("rt/echo=lost")).status == 499


async def test_a_client_that_does_not_read_has_the_provider_wait(stage: Stage, provider: FakeRealtime) -> None:
    """And when it reads on, everything is there."""
    async with stage.connect("rt/flood", max_queue=1) as socket:
        await read(socket)
        visit = await provider.visit()
        before, still = -1, 0
        async with asyncio.timeout(PATIENCE):
            while still < 20:
                still = still + 1 if visit.sent == before else 0
                before = visit.sent
                await asyncio.sleep(0.05)
        held = visit.sent
        for _ in range(held + 10):
            async with asyncio.timeout(PATIENCE):
                await socket.recv()
        assert visit.sent > held
        socket.transport.abort()


async def test_a_provider_that_does_not_read_has_the_client_wait(stage: Stage, provider: FakeRealtime) -> None:
    block = json.dumps({"type": "input_audio_buffer.append", "audio": "x" * 100_000})
    async with stage.connect("rt/deaf") as socket:
        await read(socket)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 1000:
                async with asyncio.timeout(2):
                    await socket.send(block)
                sent += 1
        socket.transport.abort()
    assert 0 < sent < 1000


async def test_a_session_can_be_tried_without_a_key_of_any_provider(stage: Stage) -> None:
    async with openai.AsyncOpenAI(base_url=f"{stage.mesh.url}/v1", api_key=ACME) as client:
        async with client.realtime.connect(model="sim/simulated") as session:
            async with asyncio.timeout(PATIENCE):
                await session.session.update(session={"type": "realtime", "output_modalities": ["text"]})
                item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
                await session.conversation.item.create(item=item)  # type: ignore[arg-type]
                await session.response.create()
                kinds = []
                while not kinds or kinds[-1] != "response.done":
                    kinds.append((await session.recv()).type)
    assert kinds[:4] == ["session.created", "session.updated", "conversation.item.added", "response.created"]
    assert "response.output_text.delta" in kinds


async def test_a_session_that_takes_too_long_is_ended_honestly(stage: Stage, provider: FakeRealtime) -> None:
    """After an hour, or the client's own bound: told, closed on both sides, and recorded as what it is."""
    http = stage.mesh.about["http"]
    url = f"ws://{http['host']}:{http['port']}/v1/realtime?model=rt/echo=bound"
    headers = {"authorization": f"Bearer {ACME}", "x-runestone-timeout-ms": "500"}
    async with connect(url, additional_headers=headers) as socket:
        assert (await read(socket))["type"] == "session.created"
        events, code, _ = await end_of(socket)
    assert ([event["error"]["code"] for event in events], code) == (["deadline_exceeded"], 1001)
    visit = await provider.visit()
    async with asyncio.timeout(PATIENCE):
        await visit.closed.wait()
    assert (await stage.record("rt/echo=bound")).status == 504


async def test_a_gateway_that_stops_closes_both_sides() -> None:
    port = free_port()
    provider = {"name": "rt", "kind": "openai_compatible", "base_url": f"http://127.0.0.1:{port}/v1"}
    with mesh_running(providers=[provider], models=[]) as mesh:
        stage = Stage(mesh, port)
        async with FakeRealtime(port) as fake, stage.connect("rt/echo") as socket:
            await read(socket)
            mesh.process.terminate()
            _, code, _ = await end_of(socket)
            visit = await fake.visit()
            async with asyncio.timeout(PATIENCE):
                await visit.closed.wait()
            await asyncio.to_thread(mesh.process.wait, 20)
    assert code == 1012


def process_id(mesh: Mesh, part: str) -> int:
    """0 while it is away."""
    try:
        with grpc.insecure_channel(mesh.about["services"][part]) as channel:
            return IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5).process_id
    except grpc.RpcError:
        return 0


async def reach_again(stage: Stage) -> None:
    """A session works again, within some seconds on whatever machine."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async with stage.connect("rt/echo", open_timeout=PATIENCE) as socket:
                if (await read(socket))["type"] == "session.created":
                    return
                assert (await end_of(socket))[1] == 1013


@pytest.mark.parametrize(("part", "code"), [("provider", 1011), ("edge-0", 1006)])
async def test_a_killed_process_takes_its_sessions_along_and_nothing_else(part: str, code: int) -> None:
    """Both sockets are closed, and the next session works."""
    port = free_port()
    provider = {"name": "rt", "kind": "openai_compatible", "base_url": f"http://127.0.0.1:{port}/v1"}
    with mesh_running(providers=[provider], models=[]) as mesh:
        stage = Stage(mesh, port)
        async with FakeRealtime(port) as fake:
            async with stage.connect("rt/echo") as socket:
                await read(socket)
                os.kill(await asyncio.to_thread(process_id, mesh, part), signal.SIGKILL)
                _, closed_with, _ = await end_of(socket)
                assert closed_with == code
                async with asyncio.timeout(PATIENCE):
                    await (await fake.visit()).closed.wait()
            await reach_again(stage)
