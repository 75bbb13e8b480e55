"""Calls that the edge makes of its own accord: as good as a client's, and bounded."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis import context
from chassis.config import parse_settings
from chassis.context import TraceContext
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.snapshots import Snapshot
from chassis.tracing import Tracing
from gateway_edge.call import Call
from gateway_edge.callers.scopes import Scope
from gateway_edge.callers.tenants import Principal
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.door.running import RunningCalls
from gateway_edge.door.ways import Ways
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.inner.calls import InnerCalls
from gateway_edge.limits.limit import RequestLimit, per_minute
from gateway_edge.limits.local import LocalLimits
from gateway_edge.middleware.base import Middleware, Pipeline
from gateway_edge.middleware.rate_limit import RateLimit
from gateway_edge.middleware.record import Record
from gateway_edge.middleware.validate import Validate
from gateway_edge.pipeline import lay_pipelines
from gateway_edge.policy import Policy
from runestone.audit.v1.audit_pb2 import AuditRecord

QUESTION = b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}]}'
LIMIT = RequestLimit(("tenant", "acme"), per_minute(2))
ACME = Principal(tenant="acme", key="ci", limits=(LIMIT,))
STEPS = ("record", "settle", "admit")
BOUND = "tenants: [{name: acme, scopes: {addresses: [10.0.0.0/8]}, keys: [{name: ci, secret: acme-key-0123456789}]}]"
POLICY = Policy.of(Snapshot("v1", parse_settings("edge: {call_timeout: 20s}")), 0.0)


class Quiet:
    def __getattr__(self, level: str) -> Any:
        return lambda event, **fields: None


@dataclass
class Spool:
    records: list[AuditRecord] = field(default_factory=list)
    is_full: bool = False

    def append(self, record: bytes) -> None:
        self.records.append(AuditRecord.FromString(record))


@dataclass
class Provider:
    """The last step: answers when `go_on` is set, and keeps what it was asked in which context."""

    name = "call"
    calls: list[Call] = field(default_factory=list)
    contexts: list[context.CallContext] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    answers: bool = True

    async def __call__(self, call: Call, proceed: Any) -> None:
        self.calls.append(call)
        self.contexts.append(context.current())
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        if self.answers:
            await call.reply.write(b"data: 1\n\n")
            await call.reply.close()


class Edge:
    """Inner calls through real steps to a fake provider."""

    def __init__(self, clock, catalog, leases) -> None:
        self.spool, self.provider = Spool(), Provider()
        steps: list[Middleware] = [
            Record(self.spool, clock),
            Validate(catalog, is_strict=False),
            RateLimit(leases, LocalLimits(clock, share=1)),
            self.provider,
        ]
        ways = Ways(POLICY, {}, Pipeline(steps))
        tracing = Tracing("edge")
        self.metrics = Metrics()
        self.running = RunningCalls(clock=clock, tracing=tracing, metrics=EdgeMetrics(self.metrics), log=Quiet())
        ids = iter(f"req_{number}" for number in range(100))
        self.inner = InnerCalls(
            lambda: ways,
            self.running,
            clock=clock,
            new_id=lambda: next(ids),
            tracing=tracing,
            most=2,
        )

    async def until(self, asked: int) -> None:
        async with asyncio.timeout(5):
            while len(self.provider.calls) < asked:
                await asyncio.sleep(0)


@pytest.fixture
async def edge(clock, catalog, leases) -> Edge:
    edge = Edge(clock, catalog, leases)
    edge.provider.go_on.set()
    return edge


async def test_it_is_on_record_and_counted_apart_as_one_of_the_tenants_calls(edge):
    outcome = await edge.inner.make(ACME, QUESTION)
    assert outcome.error is None
    (record,) = edge.spool.records
    assert (record.request_id, record.tenant, record.key, record.model) == ("req_0", "acme", "ci", "simulated")
    assert (record.status, record.bytes_sent, record.client_address) == (200, 0, "")
    assert record.endpoint == "/v1/chat/completions"
    assert not record.HasField("time_to_first_byte")
    assert b'runestone_calls_total{cache="none",endpoint="inner /v1/chat/completions",status="200"} 1.0' in (
        edge.metrics.exposition()
    )


async def test_it_counts_against_the_limits_and_is_refused_as_a_client_is(edge):
    outcomes = [await edge.inner.make(ACME, QUESTION) for _ in range(3)]
    assert [outcome.error and outcome.error.reason for outcome in outcomes] == [None, None, Reason.RATE_LIMITED]
    assert [record.status for record in edge.spool.records] == [200, 200, 429]


async def test_a_question_that_is_none_is_refused_as_a_clients_is(edge):
    outcome = await edge.inner.make(ACME, b"[]")
    assert outcome.error.reason is Reason.INVALID_REQUEST
    assert edge.spool.records[0].status == 400


async def test_it_runs_under_the_snapshot_with_a_deadline_and_leaves_the_callers_context(edge, clock):
    mine = context.CallContext(deadline=1.0, version="v0")
    context.bind(mine)
    await edge.inner.make(ACME, QUESTION, headers={"x-runestone-timeout-ms": "1500"})
    await edge.inner.make(ACME, QUESTION)
    assert [ran.version for ran in edge.provider.contexts] == ["v1", "v1"]
    assert [ran.deadline - clock.monotonic() for ran in edge.provider.contexts] == [1.5, 20.0]
    assert context.current() == mine


async def test_it_joins_the_trace_of_its_cause_and_carries_its_id(edge, make_call):
    cause = make_call()
    cause.trace = TraceContext("a" * 32, "b" * 16, sampled=False)
    await edge.inner.make(ACME, QUESTION, of=cause)
    await edge.inner.make(ACME, QUESTION)
    joined, alone = edge.spool.records
    assert (joined.traceparent.split("-")[1], joined.client_request_id) == ("a" * 32, cause.id)
    assert alone.traceparent.split("-")[1] != "a" * 32 and alone.client_request_id == ""


async def test_headers_reach_the_steps_as_a_clients_do(edge):
    await edge.inner.make(ACME, QUESTION, headers={"cache-control": "no-cache"})
    assert edge.provider.calls[0].arrival.headers["cache-control"] == "no-cache"


async def test_above_the_bound_it_is_refused_at_once_and_nothing_is_asked(edge):
    edge.provider.go_on.clear()
    first, second = (asyncio.create_task(edge.inner.make(ACME, QUESTION)) for _ in range(2))
    await edge.until(asked=2)
    refused = await edge.inner.make(ACME, QUESTION)
    assert refused.error.reason is Reason.OVERLOADED
    edge.provider.go_on.set()
    assert [outcome.error for outcome in await asyncio.gather(first, second)] == [None, None]
    assert len(edge.provider.calls) == len(edge.spool.records) == 2


async def test_the_end_of_the_process_ends_it_and_it_is_on_record(edge):
    edge.provider.go_on.clear()
    making = asyncio.create_task(edge.inner.make(ACME, QUESTION))
    await edge.until(asked=1)
    edge.running.end_all()
    outcome = await making
    assert outcome.error.reason is Reason.UNAVAILABLE
    assert edge.spool.records[0].status == 503
    await edge.running.wait_until_empty(0)


async def test_who_makes_it_can_cancel_it(edge):
    edge.provider.go_on.clear()
    making = asyncio.create_task(edge.inner.make(ACME, QUESTION))
    await edge.until(asked=1)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert edge.spool.records[0].status == 499
    edge.provider.go_on.set()
    outcomes = await asyncio.gather(*(edge.inner.make(Principal(tenant="b", key="k"), QUESTION) for _ in range(2)))
    assert [outcome.error for outcome in outcomes] == [None, None], "its place is free again"


@pytest.mark.parametrize(
    ("error", "answers", "reason"),
    [
        (RunestoneError(Reason.PROVIDER_FAILED, "x"), True, Reason.PROVIDER_FAILED),
        (ValueError("a bug"), True, Reason.INTERNAL),
        (None, False, Reason.INTERNAL),
    ],
    ids=["failed", "crashed", "nobody answered"],
)
async def test_whatever_goes_wrong_is_in_the_outcome(edge, error, answers, reason):
    """Nothing is raised: in the background that would be taken for a crash of the edge."""
    edge.provider.error, edge.provider.answers = error, answers
    outcome = await edge.inner.make(ACME, QUESTION)
    assert outcome.error.reason is reason


async def test_a_key_that_has_expired_asks_nothing(edge):
    outcome = await edge.inner.make(Principal(tenant="acme", key="ci", scope=Scope(valid_until=1.0)), QUESTION)
    assert outcome.error.reason is Reason.AUTHENTICATION_FAILED
    assert edge.provider.calls == []


async def test_a_key_that_is_bound_to_addresses_may_be_used_from_inside(edge):
    scope = Scope.of([parse_settings(BOUND).tenants[0].scopes])
    outcome = await edge.inner.make(Principal(tenant="acme", key="ci", scope=scope), QUESTION)
    assert outcome.error is None


def test_no_request_can_take_its_way():
    """It finds out nobody: the way is no path's."""

    class Anything:
        name = "anything"

        def __getattr__(self, part: str) -> "Anything":
            return self

    anything: Any = Anything()
    anything.record, anything.settle, anything.admit = (type("Step", (), {"name": name})() for name in STEPS)
    ways = lay_pipelines(POLICY, anything, anything)
    assert ways.inner.names == (*STEPS, "choose")
    assert ways.inner not in [way.pipeline for way in ways.table.values()]


async def test_it_asks_where_its_cause_asked(edge, make_call):
    """What is asked anew is the same question."""
    body = b'{"input": "hi"}'
    cause = make_call(body, is_bare=True, endpoint=ENDPOINTS["/v1/embeddings"], model="simulated")
    outcome = await edge.inner.make(ACME, body, of=cause)
    assert outcome.error is None
    (call,) = edge.provider.calls
    assert (call.asked.endpoint.path, call.asked.view.model) == ("/v1/embeddings", "simulated")
    assert edge.spool.records[0].endpoint == "/v1/embeddings"
    assert b'endpoint="inner /v1/embeddings"' in edge.metrics.exposition()
