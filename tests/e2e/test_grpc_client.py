"""The Python client of the gRPC door, `runestone_client.grpc`, against the whole mesh."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import pytest
from cutting_proxy import CuttingProxy
from fake_provider import FakeProvider
from real_mesh import ACME, OTHER, Mesh, mesh_running

import runestone_client
import runestone_client.grpc
from gateway_edge.door.errors import MEANINGS
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub
from runestone_client.grpc.reasons import STATUSES

EDGE = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
PATIENCE = 30.0


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running(edge=EDGE) as running:
        yield running


@pytest.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=mesh.fake_port) as provider:
        yield provider


def question(model: str) -> dict[str, object]:
    return {"model": f"fake/{model}", "messages": [{"role": "user", "content": "Why?"}]}


def address(mesh: Mesh) -> str:
    return f"127.0.0.1:{mesh.about['grpc']['port']}"


def test_the_statuses_of_reasons_are_the_edges():
    assert dict(STATUSES) == {str(reason): meaning.status for reason, meaning in MEANINGS.items()}


async def test_a_stream_and_a_whole_answer_are_read_with_their_bills(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.grpc.connect(address(mesh), ACME) as client:
        async with await client.stream(question("words=5")) as call:
            text = "".join([chunk.text async for chunk in call])
        assert len(text.split()) == 5
        assert (call.accepted.provider, call.finish_reason) == ("fake", "stop")
        assert call.usage is not None
        assert call.cost is not None
        body, asked = await client.ask(question("words=6"))
        assert len(json.loads(body)["choices"][0]["message"]["content"].split()) == 6
        assert asked.headers["x-request-id"] == asked.accepted.call_id


async def test_refusals_are_what_they_would_be_over_http(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.grpc.connect(address(mesh), ACME) as client:
        with pytest.raises(runestone_client.NotFoundError) as caught:
            await client.stream({"model": "none/such", "messages": [{"role": "user", "content": "?"}]})
        assert (caught.value.status, caught.value.reason) == (404, "model_not_found")
    async with runestone_client.grpc.connect(address(mesh), "wrong-key-0123456789") as client:
        with pytest.raises(runestone_client.AuthenticationError):
            await client.ask(question("words=5"))
    with pytest.raises(runestone_client.ConnectionLostError):
        async with runestone_client.grpc.connect("127.0.0.1:1", ACME) as client:
            await client.ask(question("words=5"))


async def test_a_call_is_paused_resumed_and_cancelled(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.grpc.connect(address(mesh), ACME) as client, asyncio.timeout(PATIENCE):
        call = await client.stream(question("words=20000,pace=5ms"))
        reading = asyncio.create_task(read_all(call))
        await until(lambda: call.last_seq > 3)
        await call.pause()
        await until(lambda: call.is_paused)
        stood = call.last_seq
        await client.ask(question("words=2"))
        assert call.last_seq == stood
        await call.resume()
        await until(lambda: call.last_seq > stood + 3)
        await call.cancel()
        with pytest.raises(runestone_client.StreamCancelledError):
            await reading
        await (await fake.exchange()).wait_closed()


async def read_all(call: runestone_client.grpc.Call) -> str:
    return "".join([chunk.text async for chunk in call])


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


async def test_a_stream_goes_on_through_cuts_and_killed_edges(mesh: Mesh, fake: FakeProvider) -> None:
    async with (
        CuttingProxy(mesh.about["grpc"]["port"]) as proxy,
        runestone_client.grpc.connect(f"127.0.0.1:{proxy.port}", ACME) as client,
        asyncio.timeout(PATIENCE),
    ):
        call = await client.stream(question("words=90,pace=30ms"))
        text, last = "", 0
        async for chunk in call:
            assert chunk.seq > last
            last = chunk.seq
            text += chunk.text
            if chunk.seq in {10, 20, 50}:
                proxy.cut()
            if chunk.seq == 35:
                await asyncio.to_thread(kill_edges, mesh)
        assert len(text.split()) == 90
        assert fake.requests == 1
        assert proxy.opened > 3


async def test_another_client_attaches_and_another_tenant_finds_nothing(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.grpc.connect(address(mesh), ACME) as client, asyncio.timeout(PATIENCE):
        call = await client.stream(question("words=60,pace=10ms"))
        assert call.stream_id is not None
        for _ in range(5):
            await anext(call)
        call.close()
        async with runestone_client.grpc.connect(address(mesh), OTHER) as stranger:
            with pytest.raises(runestone_client.NotFoundError):
                await stranger.attach(call.stream_id)
        rest = await client.attach(call.stream_id, call.last_seq)
        seqs = [chunk.seq async for chunk in rest]
        assert seqs[0] == call.last_seq + 1
        whole = await client.attach(call.stream_id)
        assert len("".join([chunk.text async for chunk in whole]).split()) == 60
        assert fake.requests == 1


def kill_edges(mesh: Mesh) -> None:
    for name, where in mesh.about["services"].items():
        if name.startswith("edge"):
            with grpc.insecure_channel(where) as channel:
                status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
            os.kill(status.process_id, signal.SIGKILL)
