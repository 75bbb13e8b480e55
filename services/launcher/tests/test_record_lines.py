"""`audit search`: what a script reads."""

import json
from datetime import UTC, datetime

import pytest

from chassis.config import Settings
from chassis.errors import Reason
from chassis.runtime import Runtime, Service
from chassis.testing import running
from launcher.cli.audit_record import describe_record
from launcher.cli.audit_search import Wanted, make_request, read_pages, read_time
from launcher.errors import LaunchError
from runestone.audit.v1 import audit_pb2_grpc
from runestone.audit.v1.audit_pb2 import AuditRecord, SearchRequest, SearchResponse


class Shelf(audit_pb2_grpc.AuditServiceServicer):
    """2,500 records, at most 1,000 a page."""

    def __init__(self) -> None:
        self.page_sizes = []

    async def Append(self, request, context):
        raise NotImplementedError

    async def Search(self, request, context):
        self.page_sizes.append(request.page_size)
        first = int(request.page_token or 0)
        last = min(first + request.page_size, 2500)
        records = [AuditRecord(request_id=f"req_{number}", tenant=request.tenant) for number in range(first, last)]
        return SearchResponse(records=records, next_page_token=str(last) if last < 2500 else "")


async def search(limit: int) -> tuple[list[AuditRecord], list[int]]:
    shelf = Shelf()

    async def build(runtime: Runtime) -> None:
        runtime.serve(audit_pb2_grpc.add_AuditServiceServicer_to_server, shelf, "runestone.audit.v1.AuditService")

    async with running(Service("audit", build), Settings()) as (_, channel):
        stub = audit_pb2_grpc.AuditServiceStub(channel)
        return [record async for record in read_pages(stub, SearchRequest(tenant="acme"), limit)], shelf.page_sizes


@pytest.mark.parametrize(("limit", "sizes"), [(3, [3]), (1001, [1000, 1]), (9999, [1000, 1000, 1000])])
async def test_a_limit_is_met_page_by_page_and_never_exceeded(limit, sizes):
    records, asked = await search(limit)
    assert [record.request_id for record in records] == [f"req_{number}" for number in range(min(limit, 2500))]
    assert {record.tenant for record in records} == {"acme"}
    assert asked == sizes


def test_a_record_is_one_flat_object_that_begins_with_its_request_id():
    record = AuditRecord(request_id="req_1", status=429, bytes_sent=1 << 40, error_reason=Reason.RATE_LIMITED.number)
    record.started_at.FromJsonString("2026-01-31T12:00:00.5Z")
    record.duration.FromMilliseconds(1500)
    record.usage.output_tokens = 0
    described = json.loads(json.dumps(describe_record(record)))
    assert next(iter(described)) == "request_id"
    assert described["started_at"] == "2026-01-31T12:00:00.500Z"
    assert (described["status"], described["bytes_sent"], described["duration_ms"]) == (429, 1 << 40, 1500.0)
    assert (described["error_reason"], described["time_to_first_byte_ms"]) == ("RATE_LIMITED", None)
    assert (described["usage"]["output_tokens"], described["usage"]["input_tokens"]) == (0, None)


def test_what_a_call_cost_and_what_its_provider_was_not_asked_is_shown():
    """A price that is not known is null, never 0."""
    record = AuditRecord(dropped=["top_k", "messages[2].cache_control"])
    described = json.loads(json.dumps(describe_record(record)))
    assert (described["dropped"], described["cost_usd"]) == (["top_k", "messages[2].cache_control"], None)
    record.cost.nano_usd = 1_500
    described = describe_record(record)
    assert (described["cost_usd"], described["cost_is_estimated"]) == (0.0000015, False)


def test_every_member_of_a_record_is_there():
    names = {field.name for field in AuditRecord.DESCRIPTOR.fields}
    written = {"question_bytes": "question", "cost_usd": "cost", "cost_is_estimated": "cost"}
    shown = {written.get(name, name.removesuffix("_ms")) for name in describe_record(AuditRecord())}
    assert shown == names


def test_of_a_question_only_its_size_is_shown():
    """The search's output ends up in tickets and logs."""
    described = describe_record(AuditRecord(question=b"canary"))
    assert described["question_bytes"] == 6
    assert "canary" not in repr(described)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00+00:00"),
        ("15m", "2026-01-31T11:45:00+00:00"),
    ],
)
def test_times_are_moments_or_so_long_ago(text, moment):
    now = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
    assert read_time(text, now).ToDatetime(UTC).isoformat() == moment


def test_a_time_that_is_none_is_refused():
    with pytest.raises(LaunchError, match="neither a time"):
        read_time("yesterday-ish", 0)


def test_conditions_that_are_not_given_are_not_set():
    wanted = Wanted(tenant="", since="", until="", model="m", status=0, request_id="", limit=5)
    assert make_request(wanted, now=0) == SearchRequest(model="m")
