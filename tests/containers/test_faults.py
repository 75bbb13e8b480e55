"""Each part hangs, is killed or cut off, for Docker can do that: clients see what the README promises, and afterwards all is well."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME

import runestone_client
from containers.configuration import ROOMY
from containers.faults import down
from containers.mesh import AUTH, ContainerMesh
from containers.part import Part

pytestmark = pytest.mark.timeout(300)

CHAT = "/v1/chat/completions"
CALLS = 6
PATIENCE = 60.0
TIMEOUT = aiohttp.ClientTimeout(total=30)


@pytest.fixture
async def client(mesh: ContainerMesh) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        mesh.url, headers={"authorization": f"Bearer {ROOMY}"}, timeout=TIMEOUT
    ) as session:
        yield session


def question(**members: Any) -> dict[str, Any]:
    """One that nobody has asked before, whose answer may be kept."""
    return {
        "model": "simulated",
        "messages": [{"role": "user", "content": uuid.uuid4().hex}],
        "temperature": 0,
        **members,
    }


async def ask(client: aiohttp.ClientSession, **headers: str) -> tuple[int, Any]:
    async with client.post(CHAT, json=question(), headers=headers) as answer:
        await answer.read()
        return answer.status, answer.headers


async def ask_many(client: aiohttp.ClientSession) -> list[Any]:
    """Some calls after each other, all of which are answered; their headers."""
    answers = [await ask(client) for _ in range(CALLS)]
    assert [status for status, _ in answers] == [200] * CALLS
    return [headers for _, headers in answers]


async def find_records(mesh: ContainerMesh, asked: list[Any]) -> None:
    """Each of these calls is on record, once."""
    for headers in asked:
        assert (await asyncio.to_thread(mesh.audit, headers["x-request-id"], PATIENCE)).status == 200
    records = Counter(record.request_id for record in await asyncio.to_thread(mesh.audit_records))
    assert {records[headers["x-request-id"]] for headers in asked} == {1}


@pytest.mark.parametrize("fault", ["hangs", "is killed"])
async def test_without_the_cache_calls_are_answered_uncached_and_what_must_be_remembered_is_refused(
    mesh: ContainerMesh, client: aiohttp.ClientSession, fault: str
) -> None:
    async with down(mesh, mesh.of("cache"), fault):
        asked = await ask_many(client)
        assert {headers["x-cache"] for headers in asked} == {"BYPASS"}
        status, headers = await ask(client, **{"idempotency-key": uuid.uuid4().hex})
        assert (status, "retry-after" in headers) == (503, True)
    await find_records(mesh, asked)


@pytest.mark.parametrize("fault", ["hangs", "is cut off"])
async def test_without_any_limiter_edges_limit_alone_and_say_so(
    mesh: ContainerMesh, client: aiohttp.ClientSession, fault: str
) -> None:
    async with down(mesh, mesh.of("ratelimit"), fault):
        async with asyncio.timeout(PATIENCE):
            while "ratelimit" not in (await ask(client))[1].get("x-runestone-degraded", ""):
                pass  # what was leased is spent first
        asked = await ask_many(client)
    await find_records(mesh, asked)


@pytest.mark.parametrize("service", ["ratelimit", "audit"])
async def test_one_replica_of_two_is_not_missed(
    mesh: ContainerMesh, client: aiohttp.ClientSession, service: str
) -> None:
    async with down(mesh, mesh.of(service)[:1], "is killed"):
        asked = await ask_many(client)
    await find_records(mesh, asked)


@pytest.mark.parametrize("fault", ["is killed", "is cut off"])
async def test_without_any_provider_service_calls_are_refused_with_a_time_to_come_back(
    mesh: ContainerMesh, client: aiohttp.ClientSession, fault: str
) -> None:
    async with down(mesh, mesh.of("provider"), fault):
        async with client.post(CHAT, json=question()) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["message"]
    await ask_many(client)


async def test_a_stream_whose_provider_service_is_killed_never_looks_complete(mesh: ContainerMesh) -> None:
    """And the next call is answered by the other replica."""
    async with (
        FakeProvider(mesh.fake_port) as fake,
        aiohttp.ClientSession(mesh.url, headers=AUTH, timeout=TIMEOUT) as client,
    ):
        body = question(model="fake/words=2000,pace=20ms", stream=True)
        async with client.post(CHAT, json=body) as answer:
            assert answer.status == 200
            await answer.content.readline()
            victim = await asyncio.to_thread(find_caller, mesh, (await fake.exchange()).remote)
            async with down(mesh, [victim], "is killed"):
                rest = await answer.content.read()
                assert b"[DONE]" not in rest
                assert "error" in json.loads(rest.strip().rpartition(b"data: ")[2])
                assert (await ask(client))[0] == 200


def find_caller(mesh: ContainerMesh, remote: str) -> Part:
    """The replica that asks from this address."""
    for part in mesh.of("provider"):
        networks = part.engine.attrs["NetworkSettings"]["Networks"].values()
        if remote in {network["IPAddress"] for network in networks}:
            return part
    raise AssertionError(f"{remote} is nobody's")


@pytest.mark.parametrize("fault", ["hangs", "is cut off"])
async def test_without_the_audit_log_nothing_is_noticed_and_nothing_is_lost(
    mesh: ContainerMesh, client: aiohttp.ClientSession, fault: str
) -> None:
    async with down(mesh, mesh.of("audit"), fault):
        asked = await ask_many(client)
        assert not [headers for headers in asked if "x-runestone-degraded" in headers]
    await find_records(mesh, asked)


@pytest.mark.parametrize("fault", ["hangs", "is killed"])
async def test_without_redis_calls_are_answered(mesh: ContainerMesh, client: aiohttp.ClientSession, fault: str) -> None:
    async with down(mesh, [mesh.parts["redis"]], fault):
        asked = await ask_many(client)
    await find_records(mesh, asked)


@pytest.mark.parametrize("fault", ["hangs", "is killed", "is cut off"])
async def test_without_postgresql_nothing_is_noticed_and_nothing_is_lost(
    mesh: ContainerMesh, client: aiohttp.ClientSession, fault: str
) -> None:
    async with down(mesh, [mesh.parts["postgres"]], fault):
        asked = await ask_many(client)
        assert not [headers for headers in asked if "x-runestone-degraded" in headers]
    await find_records(mesh, asked)


@pytest.mark.parametrize("fault", ["is killed", "is cut off"])
async def test_a_clients_stream_goes_on_at_the_other_edge(mesh: ContainerMesh, fault: str) -> None:
    """Each edge in turn is gone, so that it surely was the one."""
    async with FakeProvider(mesh.fake_port):
        async with runestone_client.connect(mesh.url, ACME) as client, client.session() as session:
            stream = await session.stream(question(model="fake/words=400,pace=50ms"))
            await anext(stream)
            for edge in mesh.of("edge"):
                async with down(mesh, [edge], fault):
                    pass
            async with asyncio.timeout(PATIENCE):
                assert len((await stream.finish()).split()) == 400


async def test_what_an_edge_had_not_shipped_when_it_was_killed_is_recorded_by_its_next_life(
    mesh: ContainerMesh, client: aiohttp.ClientSession
) -> None:
    """The records wait on the edge's disk: the log is away when it dies."""
    async with down(mesh, mesh.of("audit"), "is cut off"):
        asked = await ask_many(client)
        for edge in mesh.of("edge"):
            await asyncio.to_thread(kill_and_start, edge)
    await find_records(mesh, asked)


def kill_and_start(part: Part) -> None:
    part.engine.kill()
    part.start()
