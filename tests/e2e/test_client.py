"""The Python client, `sdk/python`, against the whole mesh."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import grpc
import pytest
from cutting_proxy import CuttingProxy
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh, mesh_running

import runestone_client
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

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


def edge_processes(mesh: Mesh) -> list[int]:
    found = []
    for name, address in mesh.about["services"].items():
        if name.startswith("edge"):
            with grpc.insecure_channel(address) as channel:
                status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
                found.append(status.process_id)
    return found


async def test_a_stream_is_read_and_its_bill_stands_behind_it(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.connect(mesh.url, ACME) as client, client.session() as session:
        stream = await session.stream(question("words=5"))
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.text for chunk in chunks) == stream.text
        assert len(stream.text.split()) == 5
        assert stream.origin.provider == "fake"
        assert stream.usage is not None
        assert stream.usage["output_tokens"] > 0
        assert stream.cost is not None
        assert stream.finish_reason == "stop"
        assert (await session.message(question("words=5")))["choices"][0]["message"]["content"].split()


async def test_refusals_are_what_they_would_be_over_http(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.connect(mesh.url, ACME) as client, client.session() as session:
        with pytest.raises(runestone_client.NotFoundError) as caught:
            await session.stream({"model": "none/such", "messages": [{"role": "user", "content": "?"}]})
        assert (caught.value.status, caught.value.reason) == (404, "model_not_found")
        with pytest.raises(runestone_client.InvalidRequestError):
            await session.message({"model": "fake/words=5"})
    with pytest.raises(runestone_client.AuthenticationError):
        async with runestone_client.connect(mesh.url, "wrong-key-0123456789"):
            raise AssertionError("nobody is let in")


async def test_a_loop_that_is_left_cancels_the_stream_at_its_provider(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.connect(mesh.url, ACME) as client, client.session() as session:
        async with asyncio.timeout(PATIENCE), session.stream(question("words=20000,pace=5ms")) as stream:
            async for chunk in stream:
                if chunk.seq > 5:
                    break
        await (await fake.exchange()).wait_closed()
        with pytest.raises(runestone_client.StreamCancelledError):
            await stream.finish()


async def test_a_paused_stream_stands_still_and_then_goes_on_whole(mesh: Mesh, fake: FakeProvider) -> None:
    async with runestone_client.connect(mesh.url, ACME) as client, client.session() as session:
        stream = await session.stream(question("words=80,pace=20ms"))
        await anext(stream)
        await stream.pause()
        await session.message(question("words=1"))
        stood = stream.last_seq
        await session.message(question("words=2"))
        assert stream.last_seq == stood
        await stream.resume()
        async with asyncio.timeout(PATIENCE):
            assert len((await stream.finish()).split()) == 80


@pytest.mark.parametrize("seed", range(3))
async def test_any_sequence_of_cuts_gives_exactly_the_uncut_answer(mesh: Mesh, fake: FakeProvider, seed: int) -> None:
    """Several streams on one connection that breaks at random moments, to come back on either edge."""
    chance, before = random.Random(seed), fake.requests
    async with CuttingProxy(mesh.about["http"]["port"]) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        async with runestone_client.connect(url, ACME) as client, client.session() as session:
            streams = [await session.stream(question(f"words={60 + n},pace=20ms")) for n in range(4)]
            reading = [asyncio.create_task(read_whole(stream)) for stream in streams]
            for _ in range(6):
                await until_one_grows(streams, chance.randint(0, 8))
                proxy.cut()
            async with asyncio.timeout(PATIENCE):
                texts = await asyncio.gather(*reading)
    assert [len(text.split()) for text in texts] == [60, 61, 62, 63]
    assert [stream.text for stream in streams] == texts
    assert proxy.opened > 3, "it was cut, and came back"
    assert fake.requests == before + 4, "each was asked once"


async def until_one_grows(streams: list[runestone_client.Stream], goal: int) -> None:
    marks = [(stream, stream.last_seq) for stream in streams]
    await until(lambda: any(stream.is_over or stream.last_seq >= mark + goal for stream, mark in marks))


async def read_whole(stream: runestone_client.Stream) -> str:
    """The text, of chunks in order."""
    texts, last = [], 0
    async for chunk in stream:
        assert chunk.seq > last
        last = chunk.seq
        texts.append(chunk.text)
    return "".join(texts)


async def until(holds) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_stream_goes_on_when_its_edges_are_killed(mesh: Mesh, fake: FakeProvider) -> None:
    states: list[str] = []
    async with runestone_client.connect(mesh.url, ACME, on_state=states.append) as client, client.session() as session:
        stream = await session.stream(question("words=80,pace=30ms"))
        for _ in range(5):
            await anext(stream)
        for process in edge_processes(mesh):
            os.kill(process, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            assert len((await stream.finish()).split()) == 80
        assert len((await session.message(question("words=3")))["choices"]) == 1
    assert states[:3] == ["connected", "connecting", "connected"]
    assert fake.requests == 2


async def test_nothing_fails_while_edges_stop_in_order(mesh: Mesh, fake: FakeProvider) -> None:
    """They say so, and clients move on: running streams go on, and what is asked meanwhile is answered."""
    async with runestone_client.connect(mesh.url, ACME) as client, client.session() as session:
        streams = [await session.stream(question(f"words={200 + n},pace=30ms")) for n in range(3)]
        reading = [asyncio.create_task(stream.finish()) for stream in streams]
        await until(lambda: all(stream.last_seq > 3 for stream in streams))
        for process in edge_processes(mesh):
            os.kill(process, signal.SIGTERM)
        asked = 0
        while not all(task.done() for task in reading):
            assert (await session.message(question(f"words={asked + 5},pace=10ms")))["choices"]
            asked += 1
        async with asyncio.timeout(PATIENCE):
            assert [len(text.split()) for text in await asyncio.gather(*reading)] == [200, 201, 202]
        assert asked > 1
        assert fake.requests == 3 + asked


async def test_members_of_a_room_see_each_other_and_one_answer(mesh: Mesh, fake: FakeProvider) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        ann_client = await enter(runestone_client.connect(mesh.url, ACME))
        bob_client = await enter(runestone_client.connect(mesh.url, ACME))
        ann = await enter(ann_client.room("seen", key="ann", meta={"color": "red"}))
        events = ann.events()
        bob = await enter(bob_client.room("seen", key="bob"))
        await until(lambda: set(ann.presence) == {"ann", "bob"} == set(bob.presence))
        assert bob.presence["ann"][0]["color"] == "red"
        await ann.update({"color": "blue"})
        await until(lambda: bob.presence["ann"][0].get("color") == "blue")
        heard = bob.events()
        await ann.say({"text": "hello"})
        stream = await ann.stream(question("words=40,pace=10ms"), note="Why?")
        async with asyncio.timeout(PATIENCE):
            message, started = await anext(heard), await anext(heard)
            assert isinstance(message, runestone_client.RoomMessage)
            assert (message.sender, message.body) == ("ann", {"text": "hello"})
            assert isinstance(started, runestone_client.StreamStarted)
            assert (started.note, started.stream_id) == ("Why?", stream.id)
            assert started.stream is not None
            assert await started.stream.finish() == await stream.finish()
        late = await enter((await enter(runestone_client.connect(mesh.url, ACME))).room("seen", key="late"))
        said = [event for event in late.history if isinstance(event, runestone_client.RoomMessage)]
        assert [event.body for event in said] == [{"text": "hello"}]
        kinds = []
        async with asyncio.timeout(PATIENCE):
            async for event in events:
                if isinstance(event, runestone_client.PresenceChanged):
                    kinds.append((event.kind, event.key))
                    if event.key == "late":
                        break
        assert kinds[-3:] == [("joined", "bob"), ("updated", "ann"), ("joined", "late")]
        assert fake.requests == 1


async def test_a_member_controls_anothers_stream_and_its_cancel_is_everybodys(mesh: Mesh, fake: FakeProvider) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        clients = [await enter(runestone_client.connect(mesh.url, ACME)) for _ in range(2)]
        ann, bob = [
            await enter(client.room("control", key=key)) for client, key in zip(clients, ("ann", "bob"), strict=True)
        ]
        stream = await ann.stream(question("words=20000,pace=5ms"))
        await until(lambda: bob.streams and bob.streams[0].last_seq > 3)
        (seen,) = bob.streams
        await seen.pause()
        await until(lambda: stream.is_paused)
        await bob.say("a fence")
        stood = stream.last_seq
        await bob.say("another")
        assert stream.last_seq == stood
        await seen.resume()
        await until(lambda: stream.last_seq > stood + 3)
        await seen.cancel()
        for each in (stream, seen):
            with pytest.raises(runestone_client.StreamCancelledError) as caught:
                async with asyncio.timeout(PATIENCE):
                    await each.finish()
            assert caught.value.by == "bob"
        await (await fake.exchange()).wait_closed()


async def test_a_room_is_whole_again_when_the_connection_comes_back(mesh: Mesh, fake: FakeProvider) -> None:
    """What was said meanwhile is told once, in order; who is there is right again; the answer goes on."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        proxy = await enter(CuttingProxy(mesh.about["http"]["port"]))
        cut_off = await enter(runestone_client.connect(f"http://127.0.0.1:{proxy.port}", ACME))
        other = await enter(runestone_client.connect(mesh.url, ACME))
        ann, bob = await enter(cut_off.room("cut", key="ann")), await enter(other.room("cut", key="bob"))
        heard = ann.events()
        stream = await bob.stream(question("words=60,pace=20ms"))
        await until(lambda: ann.streams and ann.streams[0].last_seq > 3)
        seen = ann.streams[0]
        for n in range(8):
            await bob.say(n)
            if n % 3 == 1:
                proxy.cut()
        await until(lambda: cut_off.state == "connected" and set(ann.presence) == {"ann", "bob"} == set(bob.presence))
        async with asyncio.timeout(PATIENCE):
            assert await seen.finish() == await stream.finish()
            bodies = []
            while len(bodies) < 8:
                event = await anext(heard)
                if isinstance(event, runestone_client.RoomMessage):
                    bodies.append(event.body)
        assert bodies == list(range(8))
