"""Two hundred clients stream, every connection is cut five times, one of two edges is killed; every part of the mesh is stopped under
streams: nobody loses or doubles anything, and no provider is asked twice."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from channel_client import ChannelClient, Followed, connected
from fake_provider import FakeProvider
from real_mesh import ACME, LONE, Mesh, mesh_running
from websockets.exceptions import WebSocketException

from chassis.testing import free_port
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

CLIENTS, CUTS, WORDS = 200, 5, 80
TOPIC = "session:storm"
MOST_CONNECTIONS = 200  # of one client: what is worse than that is a failure
SEED = 8
ENDS = ("stream:complete", "stream:error", "stream:cancelled")


@pytest.fixture(scope="module")
def fake_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def mesh(fake_port: int) -> Iterator[Mesh]:
    edge = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
    fake = {
        "name": "fake",
        "kind": "openai_compatible",
        "base_url": f"http://127.0.0.1:{fake_port}/v1",
        "api_key": "s",
        "timeouts": {"connect": "10s", "first_byte": "60s", "idle": "60s", "total": "120s"},
        **LONE,
    }
    # One cache-svc: with several in memory, each has the notes that it was told, and no other's (docs/streams.md).
    with mesh_running(edge=edge, providers=[fake], models=[], mesh={"provider": {"replicas": 2}}) as running:
        yield running


class Client:
    """One user: comes back whenever its connection is lost, and goes on where it was."""

    def __init__(self, port: int, number: int, cuts: list[int], words: int = WORDS) -> None:
        self.port = port
        self.number = number
        self.words = words
        self.cuts = cuts
        self.followed = Followed()
        self.stream_id = ""
        self.has_asked = asyncio.Event()
        self.end: list[Any] = []
        self.connections = self.losses = 0

    async def run(self) -> None:
        while not self.end:
            self.connections += 1
            assert self.connections < MOST_CONNECTIONS, f"client {self.number} does not get through"
            try:
                async with connected(self.port, ACME) as client:
                    await self._use(client)
            except TimeoutError:
                raise  # a stream that stands still is no lost connection
            except (OSError, WebSocketException):
                self.losses += 1
                await asyncio.sleep(0.05)

    async def _use(self, client: ChannelClient) -> None:
        if self.stream_id:
            await client.join(TOPIC, resume={self.stream_id: self.followed.last[self.stream_id]})
        else:
            await client.join(TOPIC)
            message = {"role": "user", "content": f"I am {self.number}"}
            asked = {"request": {"model": f"fake/words={self.words},pace=50ms", "messages": [message]}}
            self.stream_id = (await client.push(TOPIC, "chat:stream", asked))["stream_id"]
            self.has_asked.set()
        while not self.end:
            await client.wait(lambda: client.frames)
            frames, client.frames = client.frames, []
            for frame in frames:
                self._take(frame)
            if self.cuts and len(self.followed.chunks[self.stream_id]) >= self.cuts[0]:
                self.cuts.pop(0)
                client.socket.transport.abort()
                return

    def _take(self, frame: list[Any]) -> None:
        if frame[3] == "stream:chunk":
            self.followed.take(frame[4])
        elif frame[3] in ENDS:
            self.end = frame


async def uncut(port: int) -> str:
    """What an uncut stream says."""
    client = Client(port, -1, [])
    await client.run()
    return client.followed.text(client.stream_id)


def process_id(mesh: Mesh, part: str) -> int:
    with grpc.insecure_channel(mesh.about["services"][part]) as channel:
        status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=20, wait_for_ready=True)
    return status.process_id


def kill_one_edge(mesh: Mesh) -> None:
    os.kill(process_id(mesh, "edge-0"), signal.SIGKILL)


def restart(mesh: Mesh, part: str) -> None:
    """Stops a process as an operator would, and waits for the next."""
    before = process_id(mesh, part)
    os.kill(before, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(grpc.RpcError):  # it is between two
            if process_id(mesh, part) != before:
                return
        assert time.monotonic() < deadline, f"{part} is not back"
        time.sleep(0.05)


@pytest.mark.timeout(240)
async def test_all_answers_are_whole_in_order_without_doubles_and_asked_once(mesh: Mesh, fake_port: int) -> None:
    lots = random.Random(SEED)
    port = mesh.about["http"]["port"]
    async with FakeProvider(port=fake_port) as fake:
        expected = await uncut(port)
        assert len(expected.split()) == WORDS
        clients = [Client(port, number, sorted(lots.sample(range(1, WORDS), CUTS))) for number in range(CLIENTS)]
        async with asyncio.timeout(200), asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.run())
            for client in clients:
                await client.has_asked.wait()
            await asyncio.to_thread(kill_one_edge, mesh)
        assert [client.end for client in clients if client.end[3] != "stream:complete"] == []
        assert all(client.followed.text(client.stream_id) == expected for client in clients)
        assert all(client.end[4]["seq"] == client.followed.last[client.stream_id] + 1 for client in clients)
        assert fake.requests == CLIENTS + 1
        assert sum(len(client.cuts) for client in clients) == 0, "every connection was cut as often as it was to be"
        assert sum(client.losses for client in clients) > 0, "the edge that was killed had clients"
        assert sum(client.connections for client in clients) >= CLIENTS * (CUTS + 1)


@pytest.mark.timeout(240)
async def test_stopping_each_part_in_turn_fails_no_stream(mesh: Mesh, fake_port: int) -> None:
    port, parts = mesh.about["http"]["port"], sorted(mesh.about["services"])
    assert {part.partition("-")[0] for part in parts} == {"audit", "cache", "edge", "provider", "ratelimit"}
    done: list[Client] = []
    is_over = asyncio.Event()

    async def stream_on(number: int) -> None:
        while not is_over.is_set():
            client = Client(port, number, [], words=12)
            await client.run()
            done.append(client)

    async with FakeProvider(port=fake_port) as fake:
        async with asyncio.timeout(200), asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(stream_on(number))
            for part in parts:
                await asyncio.to_thread(restart, mesh, part)
            is_over.set()
        assert [client.end for client in done if client.end[3] != "stream:complete"] == []
        assert {len(client.followed.text(client.stream_id).split()) for client in done} == {12}
        assert fake.requests == len(done) >= 20 * 2
