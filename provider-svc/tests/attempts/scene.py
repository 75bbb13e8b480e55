"""Routes over providers that a test plays, and what a call finds on its way."""

import asyncio
import math
import random
from collections import deque
from dataclasses import dataclass, field

from chassis.billing.estimate import Passed
from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.snapshots import Snapshot
from chassis.testing import FakeClock
from chassis.tracing import Tracing
from provider_svc.attempts.ask import Ask
from provider_svc.dispatch import Dispatch
from provider_svc.health.book import HealthBook
from provider_svc.provider import Begun, Chunk
from provider_svc.roster import Roster
from provider_svc.telemetry import Telemetry
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT

OK = Begun(200)
FAILED = RunestoneError(Reason.PROVIDER_FAILED, "it failed", upstream_status=500)


def said(text):
    return Chunk(text.encode(), (len(text.encode()),))


@dataclass
class Played:
    """A provider of which each call plays the next script: steps to bring, exceptions to raise, futures to wait for. Without a script it
    says its name."""

    name: str
    dialects: frozenset = frozenset({DIALECT_OPENAI_CHAT})
    scripts: deque = field(default_factory=deque)
    calls: list = field(default_factory=list)
    cancelled: int = 0

    async def call(self, call, sink):
        self.calls.append(call)
        script = self.scripts.popleft() if self.scripts else [OK, said(self.name)]
        try:
            for step in script:
                match step:
                    case Begun():
                        sink.accept(step)
                    case Chunk():
                        sink.add(step)
                    case Exception():
                        raise step
                    case _:
                        await step
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def close(self):
        pass


class Ground:
    """Where answers land: a flight without followers."""

    def __init__(self):
        self.accepted, self.chunks, self.stopped_by, self.deadline = [], [], None, math.inf

    @property
    def has_begun(self):
        return bool(self.chunks)

    @property
    def body(self):
        return b"".join(chunk.body for chunk in self.chunks).decode()

    def note_trace(self, trace):
        pass

    def accept(self, attempt):
        self.accepted.append(attempt)

    def add(self, chunk):
        self.chunks.append(chunk)

    def measure(self):
        passed = Passed()
        for chunk in self.chunks:
            passed.add(chunk.body)
        return passed

    def has_room(self):
        return True

    async def wait_for_room(self):
        pass


class Scene:
    """A configuration's routes, its providers played."""

    def __init__(self, text, seed=1):
        self.clock, self.metrics, self.played = FakeClock(), Metrics(), {}
        self.book = HealthBook()
        self.roster = Roster(self.open, self.spawn)
        self.routes = self.roster.make(Snapshot("1", parse_settings(text)))
        telemetry = Telemetry(self.metrics, Tracing("test"))
        self.dispatch = Dispatch(self.roster, self.book, telemetry, self.clock, random.Random(seed).random)

    def open(self, configured):
        self.played[configured.name] = Played(configured.name)
        return self.played[configured.name]

    def spawn(self, work, name):
        work.close()

    def plan(self, model="m", *, stream=True, provider="", **options):
        ask = Ask(call_id="c", tenant="t", stream=stream, **{"members": {}, **options})
        return self.dispatch.plan(self.routes, ask, model, provider)

    async def ask(self, model="m", ground=None, **options):
        """Asks; returns the journey and where it landed. Raises what asking raises."""
        asking, journey = self.plan(model, **options)
        ground = ground or Ground()
        try:
            await asking.ask(journey, ground)
        finally:
            journey.end()
            self.last = journey
        return journey, ground

    def health(self, provider, model="x"):
        return self.book.of(self.routes.seats[provider].configured, model)

    def extra(self, why):
        """How many upstream calls were made beside the first, for a reason."""
        rows = self.metrics.exposition().decode().splitlines()
        return sum(
            float(row.split()[-1]) for row in rows if "upstream_extra_calls_total{" in row and f'why="{why}"' in row
        )


def whys(journey):
    return [(attempt.provider, attempt.why) for attempt in journey.attempts]
