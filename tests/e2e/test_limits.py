"""A limit over two edge workers, with leases: never over, and every refusal with its wait."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import grpc
import pytest
from real_mesh import Mesh, mesh_running

from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

CROWDED, KILLED, ROOMY = "crowded-key-0123456789", "killed-key-0123456789", "roomy-key-0123456789"
BODY = {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}
LIMIT = 50  # a minute


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Mesh]:
    edge = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
    tenants = [
        {"name": name, "keys": [{"name": "ci", "secret": secret}], "limits": {"requests_per_minute": limit}}
        for name, secret, limit in (("crowded", CROWDED, LIMIT), ("killed", KILLED, LIMIT), ("roomy", ROOMY, 60_000))
    ]
    with mesh_running(edge=edge, tenants=tenants) as mesh:
        yield mesh


@dataclass(frozen=True)
class Answer:
    status: int  # 0: the connection was lost
    headers: dict[str, str]


async def ask(session: aiohttp.ClientSession, mesh: Mesh, key: str) -> Answer:
    try:
        async with session.post(
            f"{mesh.url}/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {key}"}
        ) as response:
            await response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.headers.items()})
    except aiohttp.ClientError:
        return Answer(0, {})


async def crowd(mesh: Mesh, key: str, calls: int) -> list[Answer]:
    """All at once, each over a connection of its own, so that both workers get their part."""
    timeout = aiohttp.ClientTimeout(total=40)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=timeout
    ) as session:
        return await asyncio.gather(*(ask(session, mesh, key) for _ in range(calls)))


def count(answers: list[Answer], status: int) -> int:
    return sum(answer.status == status for answer in answers)


def decisions_of(mesh: Mesh, worker: str) -> dict[str, float]:
    """Of one worker: how many calls each kind of decider decided on."""
    with grpc.insecure_channel(mesh.about["services"][worker]) as channel:
        answer = IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5, wait_for_ready=True)
    prefix = "runestone_limit_decisions_total{by="
    lines = [line for line in answer.exposition.decode().splitlines() if line.startswith(prefix)]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}


async def test_a_crowd_over_both_workers_is_admitted_exactly_to_the_limit(two_workers: Mesh) -> None:
    began = time.monotonic()
    answers = await crowd(two_workers, CROWDED, 300)
    came_back = (time.monotonic() - began) * LIMIT / 60
    assert LIMIT * 3 / 4 <= count(answers, 200) <= LIMIT + came_back
    assert count(answers, 200) + count(answers, 429) == 300
    for answer in answers:
        assert answer.headers["x-ratelimit-limit-requests"] == str(LIMIT)
        if answer.status == 429:
            assert 0 < int(answer.headers["retry-after-ms"]) <= 1200
            assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert all(sum(decisions_of(two_workers, worker).values()) > 0 for worker in ("edge-0", "edge-1"))


async def test_a_busy_caller_with_room_is_admitted_by_leases(two_workers: Mesh) -> None:
    before = [decisions_of(two_workers, worker) for worker in ("edge-0", "edge-1")]
    remaining = []
    for _ in range(6):
        answers = await crowd(two_workers, ROOMY, 50)
        assert count(answers, 200) == 50
        remaining += [int(answer.headers["x-ratelimit-remaining-requests"]) for answer in answers]
    after = [decisions_of(two_workers, worker) for worker in ("edge-0", "edge-1")]
    assert sum(new["lease"] - old["lease"] for old, new in zip(before, after, strict=True)) > 30
    assert all(50_000 < left < 60_000 for left in remaining)


async def test_a_worker_that_is_killed_takes_no_limit_over(two_workers: Mesh) -> None:
    """It dies under a crowd, with whatever it had leased; the limit holds over all that came before and after."""
    mesh, began = two_workers, time.monotonic()
    with grpc.insecure_channel(mesh.about["services"]["edge-0"]) as channel:
        victim = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5).process_id
    answers = await crowd(mesh, KILLED, 20)
    under_way = asyncio.create_task(crowd(mesh, KILLED, 100))
    await asyncio.sleep(0.02)
    os.kill(victim, signal.SIGKILL)
    answers += await under_way
    for _ in range(3):
        answers += await crowd(mesh, KILLED, 60)
    came_back = (time.monotonic() - began) * LIMIT / 60
    assert count(answers, 200) <= LIMIT + came_back
    assert count(answers, 200) + count(answers, 429) + count(answers, 0) == len(answers)
    assert count(answers, 429) > 0
