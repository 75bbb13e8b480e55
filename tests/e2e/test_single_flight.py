"""One question asked by many at once, over two edge workers: one upstream call, whoever leaves or dies."""

import asyncio
import os
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, Mesh, mesh_running

from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

CROWD = 500
SLOW = "words=100,pace=60ms"  # longer than a crowd takes to arrive
WORKERS = ("edge-0", "edge-1")


@dataclass(frozen=True)
class Answer:
    """`cache` is what `x-cache` said; empty where the connection broke before it."""

    cache: str
    body: bytes

    @property
    def is_whole(self) -> bool:
        return self.body.endswith(b"data: [DONE]\n\n")


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    edge = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
    with mesh_running(edge=edge) as running:
        yield running


@pytest.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(mesh.fake_port) as provider:
        yield provider


def question(wish: str, *, stream: bool = True) -> dict[str, Any]:
    """One that was never asked before."""
    text = uuid.uuid4().hex
    return {
        "model": f"fake/{wish}",
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "stream": stream,
    }


async def ask(mesh: Mesh, body: dict[str, Any], begun: asyncio.Event | None = None) -> Answer:
    """Over a connection of its own, so that it may come to any worker; `begun` is set by the first bytes of the answer."""
    headers, connector = {"authorization": f"Bearer {ACME}"}, aiohttp.TCPConnector(force_close=True)
    cache, content = "", b""
    try:
        async with (
            aiohttp.ClientSession(mesh.url, connector=connector, headers=headers) as session,
            session.post("/v1/chat/completions", json=body) as response,
        ):
            assert response.status == 200, await response.read()
            async for part in response.content.iter_any():
                cache, content = response.headers["x-cache"], content + part
                if begun is not None:
                    begun.set()
    except aiohttp.ClientError:
        pass
    return Answer(cache, content)


def metric(mesh: Mesh, part: str, name: str) -> float:
    with grpc.insecure_channel(mesh.about["services"][part]) as channel:
        answer = IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5, wait_for_ready=True)
    rows = (line.split() for line in answer.exposition.decode().splitlines())
    return sum(float(row[-1]) for row in rows if row[0].partition("{")[0] == name)


def process_id(mesh: Mesh, worker: str) -> int:
    with grpc.insecure_channel(mesh.about["services"][worker]) as channel:
        status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
    return status.process_id


async def test_five_hundred_identical_streams_are_one_upstream_call(mesh: Mesh, fake: FakeProvider) -> None:
    body = question(SLOW)
    before = [metric(mesh, worker, "runestone_model_calls_total") for worker in WORKERS]
    answers = await asyncio.gather(*(ask(mesh, body) for _ in range(CROWD)))
    assert fake.requests == 1
    assert Counter(answer.cache for answer in answers) == {"COALESCED": CROWD - 1, "MISS": 1}
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].is_whole
    after = [metric(mesh, worker, "runestone_model_calls_total") for worker in WORKERS]
    assert all(later > earlier for earlier, later in zip(before, after, strict=True))
    assert metric(mesh, "provider", "runestone_upstream_followers") == 0


async def test_identical_documents_are_one_upstream_call(mesh: Mesh, fake: FakeProvider) -> None:
    body = question("words=5,latency=1500ms", stream=False)
    answers = await asyncio.gather(*(ask(mesh, body) for _ in range(20)))
    assert fake.requests == 1
    assert Counter(answer.cache for answer in answers) == {"COALESCED": 19, "MISS": 1}
    assert len({answer.body for answer in answers}) == 1


async def test_an_edge_that_is_killed_ends_nothing_for_those_who_follow_on_the_other(
    mesh: Mesh, fake: FakeProvider
) -> None:
    body, begun = question(SLOW), asyncio.Event()
    async with asyncio.timeout(10):
        while any(metric(mesh, worker, "runestone_connections") for worker in WORKERS):
            await asyncio.sleep(0.05)
    leading = asyncio.create_task(ask(mesh, body, begun))
    await begun.wait()
    (led_by,) = (worker for worker in WORKERS if metric(mesh, worker, "runestone_connections"))
    firsts = [asyncio.Event() for _ in range(20)]
    following = [asyncio.create_task(ask(mesh, body, first)) for first in firsts]
    await asyncio.gather(*(first.wait() for first in firsts))
    os.kill(process_id(mesh, led_by), signal.SIGKILL)
    leader, *followers = await asyncio.gather(leading, *following)
    whole = [answer for answer in followers if answer.is_whole]
    assert whole
    assert {answer.cache for answer in whole} == {"COALESCED"}
    assert len({answer.body for answer in whole}) == 1
    assert fake.requests == 1
    cut = [answer for answer in (leader, *followers) if not answer.is_whole]
    assert leader in cut
    assert all(whole[0].body.startswith(answer.body) for answer in cut)


async def test_the_last_client_that_leaves_closes_the_providers_socket(mesh: Mesh, fake: FakeProvider) -> None:
    body = question(SLOW)
    begun = [asyncio.Event() for _ in range(10)]
    asking = [asyncio.create_task(ask(mesh, body, first)) for first in begun]
    await asyncio.gather(*(first.wait() for first in begun))
    exchange = await fake.exchange()
    for task in asking[:-1]:
        task.cancel()
    await asyncio.wait(asking[:-1])
    assert not exchange.closed_early.is_set()
    asking[-1].cancel()
    await asyncio.wait(asking)
    await exchange.wait_closed()
    assert fake.requests == 1
