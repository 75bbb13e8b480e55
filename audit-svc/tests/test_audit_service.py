"""AuditService over a socket: what the proto promises."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from audit_svc.service import SERVICE
from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.testing import running
from runestone.audit.v1.audit_pb2 import AppendRequest, AuditRecord, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub
from runestone.common.v1.attempt_pb2 import Attempt
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.usage_pb2 import Usage
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub


@pytest.fixture
async def channel(tmp_path):
    async with running(SERVICE, Settings(), data_dir=tmp_path) as (_, channel):
        yield channel


@pytest.fixture
def audit(channel):
    return AuditServiceStub(channel)


async def test_a_record_comes_back_whole(audit, make_record):
    """Every field, and also one that this version does not know."""
    newer_field = b"\xfa\x3f\x03new"  # field 1023, length-delimited
    record = make_record(
        1,
        client_request_id="theirs",
        duration=Duration(nanos=5),
        usage=Usage(input_tokens=3, output_tokens=0),
        cost=Cost(nano_usd=123_456, is_estimated=True),
        cache="HIT",
        route="smart",
        why="failover",
        experiment="tone",
        arm="new",
        failed_attempts=[Attempt(provider="fake", model="m", reason=Reason.PROVIDER_TIMEOUT.number)],
        client_address="192.0.2.1",
        question=b'{"model": "m", "content": "\\ud83d\\ude00"}' + b"\0" * 65_000,
    )
    record.MergeFromString(newer_field)
    await audit.Append(AppendRequest(records=[record]))
    found = await audit.Search(SearchRequest())
    assert list(found.records) == [record]
    assert newer_field in found.records[0].SerializeToString()


async def test_append_says_what_was_new(audit, make_record):
    """A batch may be sent again after any error."""
    first = await audit.Append(AppendRequest(records=[make_record(1), make_record(2)]))
    again = await audit.Append(AppendRequest(records=[make_record(2), make_record(3), make_record(3)]))
    assert [(first.appended, first.duplicates), (again.appended, again.duplicates)] == [(2, 0), (1, 2)]


async def test_a_batch_above_a_thousand_is_refused_whole(audit, make_record):
    """A thousand are taken, one more is not."""
    records = [make_record(number) for number in range(1_001)]
    with pytest.raises(RunestoneError) as caught:
        await audit.Append(AppendRequest(records=records))
    assert caught.value.reason is Reason.OVERLOADED
    assert not (await audit.Search(SearchRequest())).records
    assert (await audit.Append(AppendRequest(records=records[:1_000]))).appended == 1_000


@pytest.mark.parametrize(
    ("bad", "param"),
    [
        (AuditRecord(tenant="acme"), "records[1].request_id"),
        (AuditRecord(request_id="\u00e9" * 257), "records[1].request_id"),
        (AuditRecord(request_id="r", started_at=Timestamp(nanos=-1)), "records[1].started_at"),
        (AuditRecord(request_id="r", started_at=Timestamp(seconds=1 << 40)), "records[1].started_at"),
    ],
)
async def test_a_record_that_could_not_be_found_again_refuses_its_batch(audit, make_record, bad, param):
    """Nothing of the batch is kept, and the error names the record."""
    with pytest.raises(RunestoneError) as caught:
        await audit.Append(AppendRequest(records=[make_record(1), bad, make_record(2)]))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)
    assert not (await audit.Search(SearchRequest())).records


async def test_pages_follow_each_other_to_the_end(audit, make_record):
    """The last page has no token, also when it is exactly full."""
    await audit.Append(AppendRequest(records=[make_record(number, tenant="acme") for number in range(6)]))
    await audit.Append(AppendRequest(records=[make_record(9, tenant="globex")]))
    found, token = [], ""
    for _ in range(3):
        page = await audit.Search(SearchRequest(tenant="acme", page_size=2, page_token=token))
        found += [record.request_id for record in page.records]
        token = page.next_page_token
        assert len(page.records) == 2
    assert token == ""
    assert found == [f"req_{number:04}" for number in reversed(range(6))]


async def test_a_page_token_of_another_search_is_refused(audit, make_record):
    """A token shows no tenant the pages of another."""
    await audit.Append(AppendRequest(records=[make_record(number) for number in range(3)]))
    page = await audit.Search(SearchRequest(tenant="acme", page_size=1))
    with pytest.raises(RunestoneError) as caught:
        await audit.Search(SearchRequest(tenant="globex", page_size=1, page_token=page.next_page_token))
    assert caught.value.reason is Reason.INVALID_REQUEST


async def test_bounds_of_time_are_exact_to_the_nanosecond(audit):
    """Since is inclusive, until is exclusive; a bound at the epoch is a bound."""
    moments = [Timestamp(), Timestamp(nanos=1), Timestamp(nanos=2), Timestamp(seconds=1)]
    records = [AuditRecord(request_id=f"r{index}", started_at=moment) for index, moment in enumerate(moments)]
    await audit.Append(AppendRequest(records=records))
    found = await audit.Search(SearchRequest(since=Timestamp(nanos=1), until=Timestamp(seconds=1)))
    assert [record.request_id for record in found.records] == ["r2", "r1"]
    assert not (await audit.Search(SearchRequest(until=Timestamp()))).records


async def test_a_bound_that_is_no_moment_is_refused(audit):
    """The error names the condition."""
    with pytest.raises(RunestoneError) as caught:
        await audit.Search(SearchRequest(since=Timestamp(seconds=1 << 60)))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "since")


async def test_metrics_count_what_was_kept_and_what_was_dropped(audit, channel, make_record):
    """Operators see appends, duplicates, batch sizes and time."""
    await audit.Append(AppendRequest(records=[make_record(1), make_record(2)]))
    await audit.Append(AppendRequest(records=[make_record(2)]))
    answer = await IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest())
    lines = answer.exposition.decode().splitlines()
    assert "runestone_audit_appended_total 2.0" in lines
    assert "runestone_audit_duplicates_total 1.0" in lines
    assert "runestone_audit_batch_records_sum 3.0" in lines
    assert "runestone_audit_append_seconds_count 2.0" in lines


async def test_records_that_are_more_than_one_message_together_are_found_page_by_page(audit, make_record):
    """A hundred megabytes: a search for them is answered, and goes on."""
    records = [make_record(number, question=b"q" * (1 << 20)) for number in range(100)]
    for start in range(0, len(records), 50):
        await audit.Append(AppendRequest(records=records[start : start + 50]))
    found, token = [], ""
    while not found or token:
        page = await audit.Search(SearchRequest(page_size=1_000, page_token=token))
        assert page.records
        found += [record.request_id for record in page.records]
        token = page.next_page_token
    assert sorted(found) == sorted(record.request_id for record in records)
