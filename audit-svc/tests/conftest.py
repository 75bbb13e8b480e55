"""What the audit tests share: records, entries, and every store."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from audit_svc.memory import MemoryStore
from audit_svc.postgres_opening import connected
from audit_svc.postgres_store import PostgresStore
from audit_svc.sqlite_store import open_sqlite
from audit_svc.store import AuditStore, Entry
from chassis.clock import SystemClock
from chassis.testing import PostgresProcess, find_postgres, postgres_server
from runestone.audit.v1.audit_pb2 import AuditRecord

EPOCH = 1_800_000_000


@asynccontextmanager
async def open_prepared(url: str) -> AsyncIterator[PostgresStore]:
    """A store on a database that is brought up to date."""
    async with connected(url, SystemClock()) as store:
        await store.prepare()
        yield store


@asynccontextmanager
async def in_memory(_tmp_path, _postgres) -> AsyncIterator[AuditStore]:
    yield MemoryStore()


def in_sqlite(tmp_path, _postgres):
    return open_sqlite(tmp_path / "audit.db")


def in_postgres(_tmp_path, postgres):
    return open_prepared(postgres().make_database())


@pytest.fixture(params=[in_memory, in_sqlite, in_postgres])
async def store(request, tmp_path) -> AsyncIterator[AuditStore]:
    """Every implementation of AuditStore in turn, empty."""
    async with request.param(tmp_path, lambda: request.getfixturevalue("postgres")) as one:
        yield one


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    """One PostgreSQL for all tests of a process, each of which makes its own database; a killed process loses nothing without fsync, as the
    kernel lives on."""
    try:
        find_postgres()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with postgres_server(fsync="off") as server:
        yield server


@pytest.fixture
def database(postgres) -> str:
    """The address of an empty database."""
    return postgres.make_database()


@pytest.fixture
def make_record():
    """Records with a request_id and a start of their own."""

    def make(number: int, **fields) -> AuditRecord:
        record = AuditRecord(
            request_id=f"req_{number:04}", **{"tenant": "acme", "model": "fast", "status": 200} | fields
        )
        record.started_at.FromSeconds(EPOCH + number)
        return record

    return make


@pytest.fixture
def make_entry():
    """Entries with a request_id and a start (in nanoseconds) of their own."""

    def make(number: int, **fields) -> Entry:
        defaults = {"request_id": f"req_{number:04}", "started_at": number, "tenant": "acme", "model": "fast"}
        return Entry(**defaults | {"status": 200, "record": b"%d" % number} | fields)

    return make


@pytest.fixture
def opened():
    """Opens a store on a PostgreSQL database, which it brings up to date."""
    return open_prepared
