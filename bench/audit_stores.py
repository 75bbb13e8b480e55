"""What keeping audit records costs: SQLite beside PostgreSQL, in one run on one disk, with every commit synced.

`python -m bench.audit_stores`. Batches as the edge ships them; the best of three rounds. CPU is that of audit-svc's process, and beside it that
of all of PostgreSQL's, which is another machine's where it is deployed.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from audit_svc.batch import read_batch
from audit_svc.postgres_opening import connected
from audit_svc.sqlite_store import open_sqlite
from audit_svc.store import AuditStore, Conditions, Entry
from chassis.clock import SystemClock
from chassis.ids import new_call_id
from chassis.testing import PostgresProcess, postgres_server, short_directory
from runestone.audit.v1.audit_pb2 import AuditRecord
from runestone.common.v1.usage_pb2 import Usage

ROUNDS, RECORDS = 3, 20_000
SIZES = (1, 50, 500)  # records in a batch; the edge ships at most 500
APPENDERS = (1, 4)
TICKS = os.sysconf("SC_CLK_TCK")

Open = Callable[[], AbstractAsyncContextManager[AuditStore]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one round: records a second, and microseconds of CPU for each."""

    rate: float
    own: float
    servers: float

    def __str__(self) -> str:
        return f"{self.rate:8.0f}/s  {self.own:6.1f} us  {self.servers:6.1f} us"


async def main() -> None:
    """Prints a line for each store, size of batch and number of edges that append at once."""
    print("store       batch edges   records   audit-svc  PostgreSQL")
    with short_directory() as directory, postgres_server() as server:
        numbers = itertools.count()
        stores: dict[str, Open] = {
            "SQLite": lambda: open_sqlite(directory / f"{next(numbers)}.db"),
            "PostgreSQL": lambda: _prepared(server.make_database()),
        }
        for size, appenders, (name, opened) in itertools.product(SIZES, APPENDERS, stores.items()):
            rounds = [await _measure(opened, server, size, appenders) for _ in range(ROUNDS)]
            print(f"{name:12} {size:4} {appenders:5} {max(rounds, key=lambda figures: figures.rate)}")
        for name, opened in stores.items():
            print(f"{name:12} a page of 100 of a tenant: {await _search(opened):.2f} ms")


@asynccontextmanager
async def _prepared(url: str) -> AsyncIterator[AuditStore]:
    async with connected(url, SystemClock()) as store:
        await store.prepare()
        yield store


async def _measure(opened: Open, server: PostgresProcess, size: int, appenders: int) -> Figures:
    count = RECORDS if size > 1 else RECORDS // 20
    batches = iter([_make_batch(size) for _ in range(count // size)])
    async with opened() as store:
        await store.append(_make_batch(size))
        began, own, servers = time.perf_counter(), time.process_time(), _ticks_of(server)
        await asyncio.gather(*(_append_all(store, batches) for _ in range(appenders)))
        took = time.perf_counter() - began
        return Figures(
            rate=count / took,
            own=(time.process_time() - own) / count * 1e6,
            servers=(_ticks_of(server) - servers) / TICKS / count * 1e6,
        )


async def _append_all(store: AuditStore, batches: Iterator[list[Entry]]) -> None:
    for batch in batches:
        await store.append(batch)


async def _search(opened: Open) -> float:
    """Milliseconds, the least of twenty, among `RECORDS`."""
    async with opened() as store:
        for _ in range(RECORDS // 500):
            await store.append(_make_batch(500))
        took = []
        for _ in range(20):
            began = time.perf_counter()
            assert len(await store.search(Conditions(tenant="tenant-3"), before=None, limit=100)) == 100
            took.append((time.perf_counter() - began) * 1e3)
    return min(took)


def _make_batch(size: int) -> list[Entry]:
    """As the edge makes them: some 240 bytes a record, of a plain call."""
    return read_batch([_make_record(number) for number in range(size)])


def _make_record(number: int) -> AuditRecord:
    record = AuditRecord(
        request_id=new_call_id(),
        tenant=f"tenant-{number % 7}",
        key="ci",
        endpoint="/v1/chat/completions",
        model="smart",
        provider="openai",
        provider_model="gpt-4o-mini",
        status=200,
        cache="MISS",
        attempts=1,
        usage=Usage(input_tokens=123, output_tokens=456),
        finish_reason="stop",
        bytes_sent=2_345,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        snapshot_version="0123456789abcdef",
        client_address="192.0.2.17",
        route="smart",
    )
    record.started_at.GetCurrentTime()
    return record


def _ticks_of(server: PostgresProcess) -> int:
    """Of the server's processes and those that ended."""
    assert server.process is not None
    main = server.process.pid
    pids = [main, *map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split())]
    return sum(sum(_read_ticks(pid)[: 4 if pid == main else 2]) for pid in pids)


def _read_ticks(pid: int) -> list[int]:
    """In user mode, in the kernel, and the same of its children that ended (proc(5), fields 14 to 17)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return [0] * 4
    return [int(field) for field in fields[11:15]]


if __name__ == "__main__":
    asyncio.run(main())
