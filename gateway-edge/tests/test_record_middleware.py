"""One record for every authenticated call, whatever its end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chassis.config import Settings, parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.middleware.record import Record
from runestone.audit.v1.audit_pb2 import AuditRecord

QUESTION = b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}'


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


CAPTURING = parse_settings("audit: {capture: questions}", environment={})


@pytest.fixture
def record_of(
    spool: FakeSpool, clock: FakeClock, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> Callable[..., Any]:
    """The record of a call that sent `body`."""

    async def record(body: bytes, settings: Settings = CAPTURING, **headers: str) -> AuditRecord:
        call = make_call(QUESTION, headers={name.replace("_", "-"): value for name, value in headers.items()})
        call.received, call.settings = body, settings
        await Record(spool, clock)(call, answering(b"{}"))
        return spool.records[-1]

    return record


async def test_no_question_is_kept_unless_that_is_asked_for(record_of: Callable[..., Any]) -> None:
    assert (await record_of(QUESTION, Settings())).question == b""


async def test_a_question_is_kept_as_the_client_sent_it(record_of: Callable[..., Any]) -> None:
    """Whatever a middleware made of it: asked again, it goes through that once more."""
    sent = b'{ "model": "simulated", "temperature": 1.0}'
    assert (await record_of(sent, cache_control="no-cache")).question == sent


@pytest.mark.parametrize(
    "body",
    [
        b'{"store": false}',
        b'{"cache": {"no-store": true}}',
        b'{"model": "' + b"x" * (64 << 10) + b'"}',
        b"[]",
        b"not JSON",
        b"",
    ],
    ids=["store: false", "cache.no-store", "too long", "no object", "no JSON", "nothing"],
)
async def test_what_may_not_be_kept_is_not(record_of: Callable[..., Any], body: bytes) -> None:
    assert (await record_of(body)).question == b""


@pytest.mark.parametrize("directives", ["no-store", "no-cache, No-Store", "max-age=0 ,no-store "])
async def test_no_store_is_obeyed_by_records(record_of: Callable[..., Any], directives: str) -> None:
    assert (await record_of(QUESTION, cache_control=directives)).question == b""


async def test_a_request_that_asked_nothing_keeps_nothing(
    spool: FakeSpool, clock: FakeClock, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    """What was refused before it was understood may be anything."""
    call = make_call(QUESTION)
    call.question, call.received, call.settings = None, QUESTION, CAPTURING
    await Record(spool, clock)(call, answering(b"{}"))
    assert spool.records[0].question == b""
