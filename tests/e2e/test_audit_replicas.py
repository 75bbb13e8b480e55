"""Two replicas of audit-svc on one PostgreSQL, in a real mesh: any of them takes records, any finds them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import grpc
import pytest
from real_mesh import ACME, Mesh, mesh_running

from chassis.testing import PostgresProcess, find_postgres, postgres_server
from chassis.testing.postgres import PASSWORD
from runestone.audit.v1.audit_pb2 import SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

AUTH = {"authorization": f"Bearer {ACME}"}
REPLICAS = ("audit-0", "audit-1")
CALLS, AT_ONCE, PATIENCE = 120, 8, 30.0


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresProcess]:
    try:
        find_postgres()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def replicated(database: PostgresProcess) -> Iterator[Mesh]:
    store = {"store": database.make_database()}
    with mesh_running(mesh={"audit": {"replicas": 2}}, audit=store) as mesh:
        yield mesh


async def ask(mesh: Mesh, *, at: int = -1, do: object = None) -> set[str]:
    """The request ids of `CALLS` calls, every one of them answered; `do` is called when `at` of them were begun."""
    ids: set[str] = set()
    numbers = iter(range(CALLS))

    async def one(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            if number == at:
                do()
            body = {"model": "sim/latency=20ms", "messages": [{"role": "user", "content": str(number)}]}
            async with session.post("/v1/chat/completions", json=body) as answer:
                assert answer.status == 200, await answer.text()
                ids.add(answer.headers["x-request-id"])

    async with aiohttp.ClientSession(mesh.url, headers=AUTH) as session:
        await asyncio.gather(*(one(session) for _ in range(AT_ONCE)))
    return ids


def find_all(mesh: Mesh, replica: str) -> list[str]:
    """The ids of all records that one replica finds, page by page."""
    found: list[str] = []
    with grpc.insecure_channel(mesh.about["services"][replica]) as channel:
        request = SearchRequest(page_size=50)
        while True:
            page = AuditServiceStub(channel).Search(request, timeout=10, wait_for_ready=True)
            found += [record.request_id for record in page.records]
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


async def await_all(mesh: Mesh, expected: set[str]) -> None:
    """Each record is found once by either replica; they are shipped in the background."""
    for replica in REPLICAS:
        async with asyncio.timeout(PATIENCE):
            while not expected <= set(found := await asyncio.to_thread(find_all, mesh, replica)):
                await asyncio.sleep(0.1)
        assert len(found) == len(set(found))


def process_id(mesh: Mesh, replica: str) -> int:
    with grpc.insecure_channel(mesh.about["services"][replica]) as channel:
        stub = IntrospectionServiceStub(channel)
        return int(stub.GetStatus(GetStatusRequest(), timeout=10, wait_for_ready=True).process_id)


async def test_what_any_replica_was_given_either_finds(replicated: Mesh) -> None:
    await await_all(replicated, await ask(replicated))


async def test_no_record_is_lost_or_doubled_when_a_replica_is_killed(replicated: Mesh) -> None:
    """The edge ships what was not acknowledged to the other one."""
    victim = process_id(replicated, REPLICAS[0])
    ids = await ask(replicated, at=CALLS // 2, do=lambda: os.kill(victim, signal.SIGKILL))
    await await_all(replicated, ids)


async def test_calls_are_answered_and_recorded_later_when_the_database_is_killed(
    replicated: Mesh, database: PostgresProcess
) -> None:
    """No call waits for it: the records wait in the edge's spool until it is back."""
    ids = await ask(replicated, at=CALLS // 3, do=database.kill)
    await asyncio.to_thread(database.start)
    await await_all(replicated, ids)


def test_the_databases_password_is_in_no_log_and_no_command_line(replicated: Mesh) -> None:
    pids = [process_id(replicated, replica) for replica in REPLICAS]
    shown = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
    assert PASSWORD not in "".join([replicated.log.read_text(), *shown])
