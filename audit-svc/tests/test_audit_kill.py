"""A real audit_svc process, killed with SIGKILL under appends."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from chassis.client import Channel
from chassis.errors import RunestoneError
from chassis.testing import short_directory
from chassis.tracing import Tracing
from runestone.audit.v1.audit_pb2 import AppendRequest, AuditRecord, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub

APPENDERS, BATCH = 4, 25


@asynccontextmanager
async def process(directory) -> AsyncIterator[tuple[asyncio.subprocess.Process, AuditServiceStub]]:
    """`python -m audit_svc` on a socket in `directory`, and a stub to it; killed at the end."""
    (directory / "s.sock").unlink(missing_ok=True)
    listen = f"unix:{directory}/s.sock"
    arguments = ("-m", "audit_svc", "--listen", listen, "--data-dir", str(directory / "data"))
    child = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with Channel(listen, tracing=Tracing("test"), timeout=10) as channel:
            assert await channel.is_connected_within(20)
            yield child, AuditServiceStub(channel)
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def append_until_killed(stub, name: str, acknowledged: set[str], enough: asyncio.Event) -> list[str]:
    """Appends batch after batch; returns the ids of the batch that was under way when the service died."""
    for number in count():
        ids = [f"{name}-{number}-{index}" for index in range(BATCH)]
        try:
            await stub.Append(AppendRequest(records=[AuditRecord(request_id=one) for one in ids]))
        except RunestoneError:
            return ids
        acknowledged.update(ids)
        if number == 5:
            enough.set()
    raise AssertionError


async def read_all(stub) -> list[str]:
    found, request = [], SearchRequest(page_size=1_000)
    while True:
        page = await stub.Search(request)
        found += [record.request_id for record in page.records]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def kill_under_appends(directory, life: int, acknowledged: set[str]) -> list[list[str]]:
    """One life of the process, ended in the middle of appends; returns the batches that were not acknowledged."""
    enough = asyncio.Event()
    async with process(directory) as (child, stub):
        names = [f"life{life}-edge{number}" for number in range(APPENDERS)]
        edges = [asyncio.create_task(append_until_killed(stub, name, acknowledged, enough)) for name in names]
        await enough.wait()
        child.kill()
        return await asyncio.gather(*edges)


@pytest.mark.parametrize("lives", [2])
async def test_no_acknowledged_record_is_lost_or_doubled_by_kill_9(lives):
    """Every acknowledged record is there after the restart, once; a batch cut by the kill is there whole or not at all,
    and sending it again completes it."""
    with short_directory() as directory:
        acknowledged: set[str] = set()
        cut: list[list[str]] = []
        for life in range(lives):
            cut += await kill_under_appends(directory, life, acknowledged)
        async with process(directory) as (_, stub):
            found = await read_all(stub)
            assert len(found) == len(set(found))
            assert acknowledged <= set(found)
            assert all(len(set(batch) & set(found)) in (0, BATCH) for batch in cut)
            for batch in cut:
                await stub.Append(AppendRequest(records=[AuditRecord(request_id=one) for one in batch]))
            assert sorted(await read_all(stub)) == sorted(acknowledged.union(*cut))
