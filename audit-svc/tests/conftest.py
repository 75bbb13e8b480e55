"""What the audit tests share: records, entries, and every store."""

from collections.abc import AsyncIterator

import pytest

from audit_svc.memory import MemoryStore
from audit_svc.sqlite_store import open_sqlite
from audit_svc.store import AuditStore, Entry
from runestone.audit.v1.audit_pb2 import AuditRecord

EPOCH = 1_800_000_000


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path) -> AsyncIterator[AuditStore]:
    """Every implementation of AuditStore in turn, empty."""
    if request.param == "memory":
        yield MemoryStore()
        return
    async with open_sqlite(tmp_path / "audit.db") as sqlite:
        yield sqlite


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
