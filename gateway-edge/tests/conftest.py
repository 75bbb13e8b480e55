"""Fakes of everything outside the edge's middleware, and a call to send through them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis.breaker import Breaker
from chassis.config import Catalog, Settings
from chassis.config.models import Model, Target
from chassis.config.providers import Provider
from chassis.context import NO_TRACE
from chassis.errors import Reason, RunestoneError
from chassis.gcra import Decision, Rate, decide, good_until, refund
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from gateway_edge.call import Arrival, Call, Question
from gateway_edge.callers.tenants import Principal
from gateway_edge.containment.middleware import Contained, OnError
from gateway_edge.endpoints.endpoint import Endpoint
from gateway_edge.endpoints.table import CHAT
from gateway_edge.endpoints.voice import Voice
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.limits.leases import Leases
from gateway_edge.limits.limit import RequestLimit
from gateway_edge.limits.metrics import LeaseMetrics
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.body import decode_object, read_as
from gateway_edge.stopwatch import Stopwatch
from gateway_edge.stored.places import Places
from runestone.ratelimit.v1.ratelimit_pb2 import (
    LeaseRequest,
    LeaseResponse,
    Leftover,
    Limit,
    ReserveRequest,
    ReserveResponse,
    ReturnRequest,
    ReturnResponse,
)
from runestone.state.v1.state_pb2 import FindNoteRequest, FindNoteResponse, KeepNoteRequest, KeepNoteResponse

QUESTION = b'{"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}'


@dataclass
class FakeReply:
    """Remembers what the client would have been sent."""

    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    body: bytes = b""
    content_type: str = ""
    is_closed: bool = False
    bytes_sent: int = 0
    first_byte_at: float | None = None
    voice: Voice = OPENAI

    @property
    def has_begun(self) -> bool:
        return self.bytes_sent > 0

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        self.status, self.content_type = status, content_type
        await self.write(body)

    async def begin(self, content_type: str) -> None:
        self.content_type = content_type

    async def write(self, events: bytes) -> None:
        self.body += events
        self.bytes_sent += len(events)

    def expect_events(self) -> None:
        self.headers["expects-events"] = "yes"

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class FakeLimiter:
    """ratelimit-svc as its contract has it, in this process, on the test's clock. `log` has what it was asked; `gate`
    holds answers back while it is cleared; while it `is_down` it does not answer."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._arrivals: dict[tuple[str, ...], int] = {}
        self.ends: dict[str, int] = {}
        self.log: list[tuple[str, Any]] = []
        self.is_down = False
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def rpcs(self) -> list[str]:
        return [rpc for rpc, _ in self.log]

    async def Reserve(self, request: ReserveRequest) -> ReserveResponse:
        await self._hear("Reserve", request)
        granted = self._grant(list(request.limits), 1, [0] * len(request.limits))
        return ReserveResponse(admitted=granted.admitted == 1, states=[leased.state for leased in granted.limits])

    async def Lease(self, request: LeaseRequest) -> LeaseResponse:
        await self._hear("Lease", request)
        return self._grant([asked.limit for asked in request.limits], request.calls, [a.ahead for a in request.limits])

    async def Return(self, request: ReturnRequest) -> ReturnResponse:
        await self._hear("Return", request)
        return ReturnResponse(refunded=map(self._refund, request.leftovers))

    async def _hear(self, rpc: str, request: Any) -> None:
        self.log.append((rpc, request))
        await self.gate.wait()
        if self.is_down:
            raise RunestoneError(Reason.UNAVAILABLE, "down")

    def remaining(self, limit: RequestLimit) -> int:
        return decide(limit.rate, self._arrivals.get(limit.subject), self._now, 0).remaining

    def _grant(self, limits: list[Limit], calls: int, aheads: list[int]) -> LeaseResponse:
        rooms = [self._decide(limit, 0).remaining for limit in limits]
        admitted = min(calls, *rooms)
        response = LeaseResponse(admitted=admitted)
        for limit, room, ahead in zip(limits, rooms, aheads, strict=True):
            units = min(ahead, (room - admitted) // 8) if admitted == calls else 0
            decision = self._decide(limit, admitted + units)
            if admitted < calls and admitted == room:
                decision = self._decide(limit, 1)
            leased = response.limits.add(units=units, lease_id=str(len(self.ends)) if units else "")
            leased.state.admitted, leased.state.remaining = decision.is_admitted, decision.remaining
            leased.state.reset_after.FromMicroseconds(decision.reset_after)
            if decision.retry_after is not None:
                leased.state.retry_after.FromMicroseconds(decision.retry_after)
            if units:
                self.ends[leased.lease_id] = good_until(_rate(limit), self._now, units)
        return response

    def _decide(self, limit: Limit, amount: int) -> Decision:
        subject = tuple(limit.subject)
        decision = decide(_rate(limit), self._arrivals.get(subject), self._now, amount)
        self._arrivals[subject] = decision.arrival
        return decision

    def _refund(self, left: Leftover) -> int:
        until, subject = self.ends.pop(left.lease_id, 0), tuple(left.limit.subject)
        given = refund(_rate(left.limit), self._arrivals.get(subject), until, self._now, left.units)
        self._arrivals[subject] = given.arrival
        return given.amount

    @property
    def _now(self) -> int:
        return int(self._clock.monotonic() * 1e6)


def _rate(limit: Limit) -> Rate:
    return Rate(limit.quantity, limit.period.ToMicroseconds(), limit.burst)


@pytest.fixture
async def limiter(clock: FakeClock) -> FakeLimiter:
    return FakeLimiter(clock)


@pytest.fixture
async def leases(limiter: FakeLimiter, clock: FakeClock, spawn: Callable[..., None]) -> Leases:
    return Leases(limiter, Breaker(clock=clock), clock=clock, spawn=spawn, metrics=LeaseMetrics(Metrics()))


@pytest.fixture
async def spawn() -> AsyncIterator[Callable[..., None]]:
    """What `Runtime.spawn` does: owns tasks, and lets none of them crash unseen."""
    tasks: set[asyncio.Task[None]] = set()

    def start(work: Coroutine[Any, Any, None], name: str) -> None:
        tasks.add(asyncio.create_task(work, name=name))

    yield start
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome


class FakeNotes:
    """cache-svc's notes as their contract has them, in this process. `gate` holds answers back while it is cleared; while it `is_down`
    it does not answer, and while it `is_full` it keeps nothing more. `asked` has the scope and key of each question."""

    def __init__(self) -> None:
        self.notes: dict[tuple[str, str], bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.is_down = self.is_full = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def KeepNote(self, request: KeepNoteRequest, *, timeout: float, metadata: Any) -> KeepNoteResponse:
        await self._hear(request.scope, request.key)
        if self.is_full:
            raise RunestoneError(Reason.OVERLOADED, "as many as may be")
        self.notes[request.scope, request.key] = request.note
        return KeepNoteResponse()

    async def FindNote(self, request: FindNoteRequest, *, timeout: float, metadata: Any) -> FindNoteResponse:
        await self._hear(request.scope, request.key)
        note = self.notes.get((request.scope, request.key))
        if note is None:
            raise RunestoneError(Reason.NOT_FOUND, "no such note")
        return FindNoteResponse(note=note)

    async def _hear(self, scope: str, key: str) -> None:
        self.asked.append((scope, key))
        await self.gate.wait()
        if self.is_down:
            raise RunestoneError(Reason.UNAVAILABLE, "down")


@pytest.fixture
async def notes() -> FakeNotes:
    return FakeNotes()


@pytest.fixture
async def places(notes: FakeNotes, clock: FakeClock, spawn: Callable[..., None]) -> Places:
    outcomes = Metrics().counter("stored_responses", "What came of notes", ("outcome",))
    return Places(notes, Breaker(clock=clock), clock=clock, spawn=spawn, outcomes=outcomes)


@pytest.fixture
def catalog() -> Catalog:
    target = Target(provider="sim", model="simulated")
    return Catalog([Model(name="simulated", targets=[target])], [Provider(name="sim", kind="simulated")])


@pytest.fixture
def make_call(clock: FakeClock, catalog: Catalog) -> Callable[..., Call]:
    """A call as it is after `authenticate` and `validate`, with whatever is given changed."""

    def make(
        body: bytes = QUESTION,
        *,
        headers: dict[str, str] | None = None,
        tenant: str = "acme",
        limits: tuple[RequestLimit, ...] = (),
        is_bare: bool = False,
        endpoint: Endpoint = CHAT,
        model: str = "",
    ) -> Call:
        async def read_body() -> bytes:
            return body

        arrival = Arrival(
            method="POST",
            path=endpoint.path,
            query="",
            endpoint=endpoint.path,
            template=endpoint.path,
            headers=headers or {},
            client_address="127.0.0.1",
            received_at=clock.monotonic(),
            started_at=clock.time(),
            timeout=60.0,
            read_body=read_body,
            model=model,
        )
        call = Call(
            id="req_1",
            arrival=arrival,
            reply=FakeReply(),
            settings=Settings(),
            snapshot_version="v1",
            trace=NO_TRACE,
            stopwatch=Stopwatch(),
            pipeline="default",
            endpoint=endpoint,
        )
        if not is_bare:
            document = decode_object(body)
            view = read_as(document, endpoint.view)
            route = catalog.find_route(view.model)
            assert route is not None
            call.principal = Principal(tenant=tenant, key="ci", limits=limits)
            call.body, call.document = body, document
            call.received = body
            call.question = Question(body, view, route, decoded=document, endpoint=endpoint)
        return call

    return make


@pytest.fixture
def answering() -> Callable[..., Any]:
    """A `proceed` that answers as the provider would and counts how often it was asked."""

    class Answer:
        def __init__(self, *parts: bytes, is_complete: bool = True, error: Exception | None = None) -> None:
            self.parts, self.is_complete, self.error, self.asked = parts, is_complete, error, 0

        async def __call__(self, call: Call) -> None:
            self.asked += 1
            for part in self.parts:
                await call.reply.write(part)
            if self.error is not None:
                raise self.error
            call.outcome.is_complete = self.is_complete
            call.outcome.attempts, call.outcome.provider = 1, "sim"
            if self.is_complete:
                await call.reply.close()

    return Answer


async def events(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


class FakeLog:
    """Keeps what was warned of."""

    def __init__(self) -> None:
        self.warnings: list[dict[str, Any]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.warnings.append({"event": event, **fields})


class Containment:
    """Contains a middleware given as a function, and keeps what is counted and logged."""

    def __init__(self) -> None:
        self.errors = Metrics().counter("middleware_errors", "x", ("middleware", "policy"))
        self.log = FakeLog()

    def __call__(self, body: Callable[[Call, Proceed], Awaitable[None]], on_error: OnError) -> Contained:
        class Made:
            async def __call__(self, call: Call, proceed: Proceed) -> None:
                await body(call, proceed)

        return Contained("made", Made(), on_error, self.errors, self.log)

    def count(self, on_error: OnError) -> int:
        return int(self.errors.labels("made", on_error).value)


@pytest.fixture
def contain() -> Containment:
    return Containment()
