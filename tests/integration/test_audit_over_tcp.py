"""Two `runestone serve audit` on one PostgreSQL, over TCP, as in pods: callers find them behind one address."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis.client import Channel
from chassis.errors import Reason, RunestoneError
from chassis.replicas import open_link
from chassis.server import MAX_MESSAGE
from chassis.testing import PostgresProcess, find_postgres, free_port, postgres_server, short_directory
from chassis.testing.postgres import PASSWORD
from chassis.tracing import Tracing
from runestone.audit.v1.audit_pb2 import AppendRequest, AuditRecord, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

PATIENCE = 30.0
BATCHES, SIZE = 40, 25
UNANSWERED = {Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


@dataclass
class Replica:
    """One `runestone serve audit`, and how to start it again. The password comes by the environment."""

    address: str
    config: Path
    data_dir: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        place = ["--config", self.config, "--data-dir", self.data_dir, "--listen", self.address]
        with (self.data_dir / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "launcher", "serve", "audit", *place),
                env=os.environ | {"AUDIT_PASSWORD": PASSWORD},
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


@pytest.fixture
def database():
    try:
        find_postgres()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with postgres_server() as server:
        yield server


@asynccontextmanager
async def replicas(database: PostgresProcess) -> AsyncIterator[list[Replica]]:
    """Both, stopped with SIGTERM at the end: they must stop cleanly."""
    url = database.make_database().replace(PASSWORD, "${AUDIT_PASSWORD}")
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    with short_directory() as directory:
        config = directory / "runestone.yaml"
        config.write_text(f"audit: {{store: '{url}'}}\nmesh: {{audit: {{endpoints: {addresses}}}}}\n")
        started = []
        for number, address in enumerate(addresses):
            (directory / str(number)).mkdir()
            started.append(Replica(address, config, directory / str(number)))
            await started[-1].start()
        try:
            yield started
            assert [await one.stop() for one in started] == [0, 0]
            assert not any(PASSWORD in (one.data_dir / "log").read_text() for one in started)
        finally:
            for one in started:
                if one.process.returncode is None:
                    await one.kill()


@asynccontextmanager
async def audit_at(*addresses: str) -> AsyncIterator[AuditServiceStub]:
    """As an edge has it: a link to all replicas, which gives each call to one that is well."""
    link = open_link(",".join(addresses), MAX_MESSAGE)
    try:
        yield AuditServiceStub(Channel(",".join(addresses), tracing=Tracing("test"), link=link))
    finally:
        await link.close()


async def keep(audit, ids: list[str]) -> None:
    """Again until acknowledged, as the edge's shipper does."""
    request = AppendRequest(records=[AuditRecord(request_id=one) for one in ids])
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await audit.Append(request, timeout=10)
            except RunestoneError as error:
                if error.reason not in UNANSWERED:
                    raise
                await asyncio.sleep(0.05)
            else:
                return


async def find_all(audit) -> list[str]:
    found, request = [], SearchRequest(page_size=1_000)
    while True:
        page = await audit.Search(request, timeout=10)
        found += [record.request_id for record in page.records]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def batches_of(address: str) -> float:
    """How many a replica has kept."""
    async with Channel(address, tracing=Tracing("test")) as channel:
        answer = await IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=10)
    lines = answer.exposition.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("runestone_audit_batch_records_count"))


async def test_batches_go_to_both_and_either_finds_all(database):
    async with AsyncExitStack() as stack:
        both = await stack.enter_async_context(replicas(database))
        for one in both:
            await keep(await stack.enter_async_context(audit_at(one.address)), ["first"])
        audit = await stack.enter_async_context(audit_at(*(one.address for one in both)))
        for number in range(BATCHES):
            await keep(audit, [f"{number}-{index}" for index in range(SIZE)])
        assert min([await batches_of(one.address) for one in both]) > BATCHES // 10
        for one in both:
            async with audit_at(one.address) as alone:
                found = await find_all(alone)
                assert len(found) == len(set(found)) == BATCHES * SIZE + 1


async def test_nothing_acknowledged_is_lost_or_doubled_while_replicas_and_the_database_are_killed(database):
    """Two edges append, each sending a part of the other's records too; one replica dies, then the database, then the other replica."""
    async with AsyncExitStack() as stack:
        first, second = await stack.enter_async_context(replicas(database))
        edges = [await stack.enter_async_context(audit_at(first.address, second.address)) for _ in range(2)]
        kept: set[str] = set()

        async def ship(audit, edge: int) -> None:
            for number in range(BATCHES):
                ids = [f"{edge}-{number}-{index}" for index in range(SIZE)] + [
                    f"both-{number}-{index}" for index in range(5)
                ]
                await keep(audit, ids)
                kept.update(ids)

        async def reach(count: int) -> None:
            async with asyncio.timeout(PATIENCE):
                while len(kept) < count:
                    await asyncio.sleep(0.01)

        shipping = [asyncio.create_task(ship(audit, edge)) for edge, audit in enumerate(edges)]
        await reach(10 * SIZE)
        await first.kill()
        await reach(20 * SIZE)
        await first.start()
        database.kill()
        await asyncio.to_thread(database.start)
        await reach(40 * SIZE)
        await second.kill()
        await asyncio.gather(*shipping)
        await second.start()
        revived = await stack.enter_async_context(audit_at(second.address))
        await keep(revived, ["last"])
        found = await find_all(revived)
    assert len(found) == len(set(found))
    assert set(found) == kept | {"last"}
    assert len(kept) == 2 * BATCHES * SIZE + BATCHES * 5
