"""One record for every authenticated call, whatever its end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.middleware.record import Record
from runestone.audit.v1.audit_pb2 import AuditRecord


class FakeSpool:
    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.is_full = False

    def append(self, record: bytes) -> None:
        self.records.append(AuditRecord.FromString(record))


@pytest.fixture
def spool() -> FakeSpool:
    return FakeSpool()


async def test_a_whole_answer(
    spool: FakeSpool, clock: FakeClock, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    call = make_call(headers={"x-request-id": "mine" * 100})
    clock.advance(1.5)
    await Record(spool, clock)(call, answering(b"{}"))
    record = spool.records[0]
    assert (record.request_id, record.tenant, record.key, record.model, record.status) == (
        "req_1",
        "acme",
        "ci",
        "simulated",
        200,
    )
    assert record.duration.ToMilliseconds() == 1500
    assert len(record.client_request_id) == 256
    assert record.bytes_sent == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RunestoneError(Reason.RATE_LIMITED, "x"), 429),
        (RunestoneError(Reason.PROVIDER_REFUSED, "x", upstream_status=422), 422),
        (asyncio.CancelledError(), 499),
        (ConnectionResetError(), 499),
        (ValueError("a bug"), 500),
    ],
)
async def test_every_other_way_out(
    spool: FakeSpool,
    clock: FakeClock,
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
    error: Any,
    status: int,
) -> None:
    with pytest.raises(type(error)):
        await Record(spool, clock)(make_call(), answering(error=error))
    assert [record.status for record in spool.records] == [status]


async def test_a_caller_that_nobody_knows_leaves_no_record(
    spool: FakeSpool, clock: FakeClock, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    """Anybody could fill the log otherwise."""
    refused = answering(error=RunestoneError(Reason.AUTHENTICATION_FAILED, "x"))
    with pytest.raises(RunestoneError):
        await Record(spool, clock)(make_call(is_bare=True), refused)
    assert spool.records == []


async def test_no_call_begins_while_records_could_not_be_kept(
    spool: FakeSpool, clock: FakeClock, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    spool.is_full, answer = True, answering(b"{}")
    with pytest.raises(RunestoneError) as refusal:
        await Record(spool, clock)(make_call(), answer)
    assert refusal.value.reason is Reason.AUDIT_SPOOL_FULL and answer.asked == 0
