"""Resumable streams through the gRPC door: left, read on at any worker, and steered for all who read them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, OTHER, Mesh, mesh_running

from runestone.gateway.v1.gateway_pb2 import Attach, CallRequest, CallResponse, Control, Open
from runestone.gateway.v1.gateway_pb2_grpc import GatewayServiceStub

PATIENCE = 20.0
SLOW = "fake/words=60,pace=10ms"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    ports = {"http": {"port": 0}, "admin": {"port": 0}, "grpc": {"port": 0}}
    edge = {**ports, "workers": 2, "websocket": {"port": 0, "resume_window": "20s", "pause_window": "20s"}}
    with mesh_running(edge=edge, mesh={"provider": {"replicas": 2}}) as running:
        yield running


@pytest.fixture
async def provider(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(mesh.fake_port) as fake:
        yield fake


@asynccontextmanager
async def call(mesh: Mesh, first: CallRequest, secret: str = ACME) -> AsyncIterator[Any]:
    """Over a connection of its own: it may be any worker's."""
    about = mesh.about["grpc"]
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"{about['host']}:{about['port']}", options=options) as channel:
        rpc = GatewayServiceStub(channel).Call(metadata=[("authorization", f"Bearer {secret}")], timeout=60)
        await rpc.write(first)
        try:
            yield rpc
        finally:
            rpc.cancel()


def asking(model: str = SLOW) -> CallRequest:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]}}'.encode()
    return CallRequest(open=Open(body=body, stream=True, resumable=True))


def attaching(stream_id: str, after_seq: int = 0) -> CallRequest:
    return CallRequest(attach=Attach(stream_id=stream_id, after_seq=after_seq))


def steering(action: Control.Action.ValueType) -> CallRequest:
    return CallRequest(control=Control(action=action))


async def read(rpc: Any, most: int = 10**9) -> list[CallResponse]:
    """At least `most` messages with data, or all that come."""
    messages: list[CallResponse] = []
    async with asyncio.timeout(PATIENCE):
        while sum(message.HasField("data") for message in messages) < most:
            if (message := await rpc.read()) is grpc.aio.EOF:
                break
            messages.append(message)
    return messages


def events(messages: list[CallResponse]) -> list[tuple[int, bytes]]:
    found = []
    for data in (message.data for message in messages if message.HasField("data")):
        for number, (start, end) in enumerate(zip([0, *data.ends], data.ends, strict=False), data.first_seq):
            found.append((number, data.body[start:end]))
    return found


async def test_a_stream_that_was_left_is_read_on_anywhere(mesh: Mesh, provider: FakeProvider) -> None:
    """Cut again and again: every event once, in order, and the provider asked once."""
    async with call(mesh, asking()) as rpc:
        messages = await read(rpc, most=5)
        stream_id = messages[0].accepted.stream_id
        assert stream_id == messages[0].accepted.call_id
    got = events(messages)
    while not got[-1][1].endswith(b"[DONE]\n\n"):
        async with call(mesh, attaching(stream_id, got[-1][0])) as rpc:
            got += events(await read(rpc, most=9))
    assert [number for number, _ in got] == list(range(1, len(got) + 1))
    async with call(mesh, attaching(stream_id)) as rpc:
        whole = await read(rpc)
    assert events(whole) == got
    assert whole[-1].WhichOneof("message") == "completed"
    assert provider.requests == 1


async def test_whoever_cancels_ends_it_for_all(mesh: Mesh, provider: FakeProvider) -> None:
    async with call(mesh, asking("fake/words=2000,pace=20ms")) as first:
        begun = await read(first, most=1)
        async with call(mesh, attaching(begun[0].accepted.stream_id)) as second:
            await read(second, most=1)
            await second.write(steering(Control.ACTION_CANCEL))
            ends = [(await read(rpc))[-1] for rpc in (second, first)]
    assert {end.WhichOneof("message") for end in ends} == {"failed"}
    await (await provider.exchange(1)).wait_closed()


async def test_a_pause_holds_all_readers_until_one_resumes(mesh: Mesh, provider: FakeProvider) -> None:
    async with call(mesh, asking("fake/words=100,pace=20ms")) as first:
        begun = await read(first, most=1)
        async with call(mesh, attaching(begun[0].accepted.stream_id)) as second:
            await read(second, most=1)
            await second.write(steering(Control.ACTION_PAUSE))
            while (await second.read()).controlled.action != Control.ACTION_PAUSE:
                pass
            with pytest.raises(TimeoutError):  # it may have a word on its way, and then none
                async with asyncio.timeout(2):
                    while await first.read() is not grpc.aio.EOF:
                        pass
            await second.write(steering(Control.ACTION_RESUME))
            assert (await read(second))[-1].WhichOneof("message") == "completed"


async def test_another_tenants_stream_is_as_unknown_as_one_that_never_was(mesh: Mesh, provider: FakeProvider) -> None:
    async with call(mesh, asking()) as rpc:
        stream_id = (await read(rpc, most=1))[0].accepted.stream_id
        told = []
        for wanted, secret in ((stream_id, OTHER), ("req_none", ACME)):
            async with call(mesh, attaching(wanted), secret) as other:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await read(other)
            told.append((caught.value.code(), (caught.value.details() or "").replace(wanted, "ID")))
    assert told[0] == told[1]
    assert told[0][0] is grpc.StatusCode.NOT_FOUND
