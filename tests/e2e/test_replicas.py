"""Several replicas of a service: calls are spread, one that dies takes only its own calls with it."""

import asyncio
import os
import signal
from collections.abc import Iterator

import aiohttp
import grpc
import pytest
from real_mesh import ACME, Mesh, mesh_running

from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

AUTH = {"authorization": f"Bearer {ACME}"}
CALLS, AT_ONCE = 300, 20


@pytest.fixture(scope="module")
def replicated() -> Iterator[Mesh]:
    with mesh_running(mesh={"cache": {"replicas": 2}, "provider": {"replicas": 2}}) as mesh:
        yield mesh


def served(mesh: Mesh, part: str, method: str) -> int:
    """How many calls of `method` a part has answered."""
    with grpc.insecure_channel(mesh.about["services"][part]) as channel:
        text = IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5).exposition.decode()
    lines = [
        line for line in text.splitlines() if line.startswith("runestone_rpc_server_seconds_count") and method in line
    ]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


def process_id(mesh: Mesh, part: str) -> int:
    with grpc.insecure_channel(mesh.about["services"][part]) as channel:
        return (
            IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=20, wait_for_ready=True).process_id
        )


async def ask_many(mesh: Mesh, wish: str, *, at: int = -1, do: object = None) -> list[int]:
    """The statuses of `CALLS` calls; `do` is called when `at` of them were begun."""
    statuses: list[int] = []
    numbers = iter(range(CALLS))

    async def one(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            if number == at:
                do()
            body = {"model": f"sim/{wish}", "messages": [{"role": "user", "content": str(number)}], "temperature": 0}
            async with session.post("/v1/chat/completions", json=body) as answer:
                await answer.read()
                statuses.append(answer.status)

    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        await asyncio.gather(*(one(session) for _ in range(AT_ONCE)))
    return statuses


async def test_calls_are_spread_and_a_question_finds_its_answer(replicated: Mesh) -> None:
    """Whichever cache replica keeps it: the second round is answered without the provider."""
    assert await ask_many(replicated, "words=3") == [200] * CALLS
    asked = [served(replicated, f"provider-{number}", "Call") for number in range(2)]
    (cache,) = replicated.command("cache", "stats")
    assert min(asked) > CALLS // 10
    assert min(replica["entries"] for replica in cache["replicas"].values()) > CALLS // 10
    assert await ask_many(replicated, "words=3") == [200] * CALLS
    assert [served(replicated, f"provider-{number}", "Call") for number in range(2)] == asked


async def test_a_replica_that_is_killed_fails_only_what_it_had_begun(replicated: Mesh) -> None:
    victim = process_id(replicated, "provider-0")
    statuses = await ask_many(replicated, "latency=60ms", at=CALLS // 3, do=lambda: os.kill(victim, signal.SIGKILL))
    failed = [status for status in statuses if status != 200]
    assert set(failed) <= {502, 503}
    assert len(failed) <= AT_ONCE
    assert process_id(replicated, "provider-0") != victim
    assert await ask_many(replicated, "latency=5ms") == [200] * CALLS


async def test_a_cache_replica_that_is_killed_fails_nothing(replicated: Mesh) -> None:
    victim = process_id(replicated, "cache-1")
    assert (
        await ask_many(replicated, "words=4", at=CALLS // 3, do=lambda: os.kill(victim, signal.SIGKILL))
        == [200] * CALLS
    )
