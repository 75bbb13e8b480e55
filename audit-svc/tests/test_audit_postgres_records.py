"""What callers may send to audit-svc on PostgreSQL, by the rpcs: nothing that they can say stops an edge's spool."""

import pytest

from audit_svc.service import SERVICE
from chassis.config import parse_settings
from chassis.testing import running
from runestone.audit.v1.audit_pb2 import AppendRequest, AuditRecord, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub


@pytest.fixture
async def audit(database, tmp_path):
    async with running(SERVICE, parse_settings(f"audit: {{store: '{database}'}}"), data_dir=tmp_path) as (_, channel):
        stub = AuditServiceStub(channel)
        while True:
            try:
                await stub.Search(SearchRequest())
            except Exception:  # noqa: BLE001  the database is being made; pytest's own bound ends the wait
                continue
            yield stub
            return


@pytest.mark.parametrize("name", ["m" * 100_000, "\0" * 5_000, "\U0001f600" * 3_000, "", "a\0b\x01c"])
async def test_a_model_of_any_name_is_kept_and_found(audit, name):
    """The name is the caller's; an index that cannot take it would refuse the batch again and again."""
    record = AuditRecord(request_id="r" * 512, tenant=name, model=name)
    near = AuditRecord(request_id="near", tenant=f"{name}x", model=f"{name}x")
    assert (await audit.Append(AppendRequest(records=[record, near]))).appended == 2
    found = await audit.Search(SearchRequest(tenant=f"{name}x", model=f"{name}x"))
    assert list(found.records) == [near]
    assert record in (await audit.Search(SearchRequest(model=name))).records


async def test_pages_follow_each_other_where_ids_have_a_nul(audit):
    """In the order of their bytes."""
    ids = ["a", "a\0", "a\0\0", "a\x01", "a\x02", "b", "\u00e9", "\U0001f600"]
    await audit.Append(AppendRequest(records=[AuditRecord(request_id=one) for one in reversed(ids)]))
    found, token = [], ""
    for _ in range(4):
        page = await audit.Search(SearchRequest(page_size=2, page_token=token))
        found += [record.request_id for record in page.records]
        token = page.next_page_token
    assert found == ids[::-1]
    assert token == ""
