"""Flights with upstream calls that the test plays itself, and subscribers that note what they hear."""

import asyncio
import math
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest

from chassis import context as call_context
from chassis.config.catalog import PASSED_ON
from chassis.config.models import Target
from chassis.config.providers import Provider as Configured
from chassis.config.providers import Retries
from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from provider_svc.attempts.ask import Ask
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.leg import Leg
from provider_svc.attempts.stack import stack
from provider_svc.attempts.stop import Stop
from provider_svc.call import Call, Question
from provider_svc.flights import Flights
from provider_svc.health.book import HealthBook
from provider_svc.pilot import Pilot
from provider_svc.provider import Begun
from provider_svc.seats import Seat
from provider_svc.settings import ProviderSettings
from provider_svc.subscription import Role
from provider_svc.telemetry import Telemetry
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT
from runestone.common.v1.error_pb2 import ErrorReason
from runestone.provider.v1.provider_pb2 import AttachResponse, CallResponse

KEY = b"k" * 32


class Upstream:
    """What one upstream call brings, as the test says; `is_closed` when its socket would be."""

    dialects = frozenset({DIALECT_OPENAI_CHAT})

    def __init__(self, question):
        self.question = question
        self.steps = asyncio.Queue()
        self.is_closed = False
        self.meter = None
        self.trace = None

    def play(self, *steps):
        for step in steps:
            self.steps.put_nowait(step)

    async def call(self, call, sink):
        self.meter = call.meter
        self.trace = call_context.current().trace
        try:
            while (step := await self.steps.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                sink.accept(step) if isinstance(step, Begun) else sink.add(step)
                await sink.wait_for_room()
        finally:
            self.is_closed = True


class NotedTracing:
    """Keeps every span, its links and the trace that it stands in."""

    def __init__(self):
        self.spans = []

    def is_sampling(self):
        return True

    def describe(self, span, attributes):
        pass

    @contextmanager
    def span(self, name, *, kind="internal", attributes=None):
        outer = call_context.current()
        inner = outer.trace._replace(span_id=f"{len(self.spans) + 1:016x}")
        noted = SimpleNamespace(name=name, trace=inner, links=[])
        noted.add_link = lambda linked: noted.links.append(f"{linked.span_id:016x}")
        self.spans.append(noted)
        call_context.bind(outer._replace(trace=inner))
        yield noted
        call_context.bind(outer)


class Tower:
    """Flights, and the upstream calls that they made, in order."""

    def __init__(self, **bounds):
        self.clock, self.metrics, self.tracing = FakeClock(), Metrics(), NotedTracing()
        self.telemetry = Telemetry(self.metrics, self.tracing)
        pilot = Pilot(self.telemetry, self.clock, get_logger("test"))
        self.flights = Flights(pilot, ProviderSettings(**bounds), self.clock)
        self.upstreams, self.refusal, self.leases = [], None, 0

    def ask(self, call_id, key=KEY, *, stream=True, tenant="t", seconds=60.0, resume=0.0, pause=math.inf):
        """A call and its subscription, as the servicer makes them."""
        self.flights.check_new(call_id)
        deadline = self.clock.monotonic() + seconds
        call = Call(call_id, tenant, deadline, resume_window=resume, pause_window=pause)
        question = Question(key, stream, DIALECT_OPENAI_CHAT)
        if not self.flights.join(call, question):
            self.flights.begin(call, partial(self.plan, question), question)
        return self.flights.follow(call, CallResponse)

    def plan(self, question):
        if self.refusal is not None:
            raise self.refusal
        self.upstreams.append(Upstream(question))
        self.leases += 1
        seat = Seat(Configured(name="p", kind="openai", retries=Retries(attempts=0)), self.upstreams[-1])
        stop = Stop(
            target=Target(provider="p", model="m"),
            health=HealthBook().of(seat.configured, "m"),
            speaks=True,
            find_rates=lambda: None,
            seat=seat,
            label="m",
        )
        attempts = []
        leg = Leg("p/*", [stop], "only", attempts, lambda: 0.0, is_strict=True)
        ask = Ask(call_id="u", tenant="t", stream=True, members={})
        return stack(PASSED_ON, self.telemetry, self.clock), Journey(ask, attempts, leg, iter(()), self.release)

    def release(self):
        self.leases -= 1

    def hear(self, call_id, key=KEY, **options):
        """Asks, and listens to the answer."""
        return Heard(self.ask(call_id, key, **options))

    def listen(self, subscription):
        return Heard(subscription)

    def attach(self, call_id, tenant="t", after_seq=0, *, is_watching=False):
        """Listens to a call that another subscriber began."""
        call = self.flights.find(call_id, tenant)
        role = Role.WATCHER if is_watching else Role.FOLLOWER
        return Heard(self.flights.follow(call, AttachResponse, after_seq, role))

    def detach(self, call_id):
        call = self.flights.find(call_id, "t")
        call.flight.detach(call)

    async def settle(self):
        """Lets everything happen that can."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def until_over(self, *heard):
        """Returns when these have heard an end."""
        async with asyncio.timeout(10):
            await asyncio.gather(*(one.task for one in heard))

    def stop_call(self, call_id):
        self.flights.stop_call(self.flights.find(call_id, "t"), RunestoneError(Reason.CANCELLED, "on request"))

    def pause(self, call_id, *, paused=True):
        self.flights.pause(self.flights.find(call_id, "t"), paused=paused)

    def count_events(self, call_id):
        """How many events have been read of the flight that answers a call."""
        return self.flights.find(call_id, "t").flight.ring.last_seq

    def metric(self, line):
        rows = self.metrics.exposition().decode().splitlines()
        return next(float(row.split()[-1]) for row in rows if row.startswith(line + " "))


class Heard:
    """What one subscriber heard, gathered by a task."""

    def __init__(self, subscription):
        self.subscription = subscription
        self.events = []
        self.settles = False
        self.task = asyncio.ensure_future(self._listen())

    async def _listen(self):
        try:
            async for response in self.subscription:
                self.events += response.events
                self.settles |= getattr(response, "settles", False)
        finally:
            self.subscription.leave()

    @property
    def has_begun(self):
        """Whether it is who began the call."""
        return self.subscription.has_begun_the_call

    @property
    def kinds(self):
        return [event.WhichOneof("event") for event in self.events]

    @property
    def body(self):
        return b"".join(event.data.body for event in self.events)

    @property
    def coalesced(self):
        return [event.accepted.coalesced for event in self.events if event.HasField("accepted")]

    @property
    def reason(self):
        return ErrorReason.Name(self.events[-1].failed.error.reason).removeprefix("ERROR_REASON_")

    async def leave(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def new_tower():
    """Makes towers for whoever looks after them itself."""
    return Tower


@pytest.fixture
async def open_tower():
    """Makes towers that must be empty when the test is over."""
    towers = []

    def open_with(**bounds):
        towers.append(Tower(**bounds))
        return towers[-1]

    yield open_with
    for tower in towers:
        await tower.flights.stop(0)
        assert (tower.flights.running, tower.leases, tower.flights.count_coalesced()) == (0, 0, 0)


@pytest.fixture
async def tower(open_tower):
    return open_tower()
