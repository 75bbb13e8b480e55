"""`python -m bench.routing`: what choosing a target costs, and what stands around its upstream call.

Pure code in one process: a call is planned (its targets ranked) and asked through all wrappers, its health noted, its end counted; the
provider answers at once. What the provider alone takes is taken off. The calmest of the rounds counts: other work on the machine only
adds.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from chassis.billing.estimate import Passed
from chassis.clock import SystemClock
from chassis.config import parse_settings
from chassis.config.providers import Provider as Configured
from chassis.context import TraceContext
from chassis.errors import RunestoneError
from chassis.metrics import Metrics
from chassis.snapshots import Snapshot
from chassis.tracing import Tracing
from provider_svc.attempts.ask import Ask
from provider_svc.attempts.attempt import Attempt
from provider_svc.dispatch import Dispatch
from provider_svc.health.book import HealthBook
from provider_svc.keys.keyed import Keyed
from provider_svc.keys.seat import KeySeat
from provider_svc.provider import Begun, Chunk, Gathered, Provider, Sink, UpstreamCall
from provider_svc.roster import Roster
from provider_svc.telemetry import Telemetry
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT

GOAL = 25.0  # CPU-us a call
CALLS, ROUNDS = 2_000, 15

TARGETS = "targets: [{provider: a, model: x, weight: 3}, {provider: b, model: x}, {provider: c, model: x}]"
CONFIGURATION = f"""
providers: [{{name: a, kind: openai}}, {{name: b, kind: openai}}, {{name: c, kind: openai}}]
models:
  - {{name: one target, targets: [{{provider: a, model: x}}]}}
  - {{name: three by weight, {TARGETS}}}
  - {{name: three by peak EWMA, strategy: peak_ewma, {TARGETS}}}
  - {{name: three with fallbacks, fallbacks: [one target], {TARGETS}}}
  - {{name: three with hedging, hedging: {{after: 5s}}, {TARGETS}}}
"""


class Prompt:
    """A provider that answers at once."""

    dialects = frozenset({DIALECT_OPENAI_CHAT})
    begun, chunk = Begun(200), Chunk(b"data: hello\n\n", (13,))

    async def call(self, call: UpstreamCall, sink: Sink) -> None:  # noqa: ARG002  as `Provider.call`
        """One chunk."""
        sink.accept(self.begun)
        sink.add(self.chunk)

    async def close(self) -> None:
        """Nothing is open."""


class Nowhere:
    """Where answers go that nobody reads."""

    has_begun, stopped_by, deadline = False, None, float("inf")

    def note_trace(self, trace: TraceContext) -> None:
        """Nothing is traced."""

    def accept(self, attempt: Attempt) -> None:
        """Forgotten."""

    def add(self, chunk: Chunk) -> None:
        """Forgotten."""

    def measure(self) -> Passed:
        """Nothing."""
        return Passed()

    def has_room(self) -> bool:
        """Always."""
        return True

    async def wait_for_room(self) -> None:
        """At once."""


def open_provider(configured: Configured) -> Provider:
    """What `ProviderFactory` opens, without a network."""
    seats = [KeySeat("1", Prompt(), configured.concurrency)]
    return Keyed(configured.name, seats, SystemClock(), configured.concurrency)


def spawn(work: Coroutine[Any, Any, None], _name: str) -> None:
    """Nothing is closed while it is measured."""
    work.close()


class Bench:
    """A configuration's routes."""

    def __init__(self) -> None:
        self.roster = Roster(open_provider, spawn)
        self.routes = self.roster.make(Snapshot("1", parse_settings(CONFIGURATION)))
        telemetry = Telemetry(Metrics(), Tracing("bench"))
        self.dispatch = Dispatch(self.roster, HealthBook(), telemetry, SystemClock(), random.random)

    async def ask(self, model: str) -> None:
        """One call, as the servicer and a flight make it."""
        ask = Ask(call_id="c", tenant="t", stream=True, members={})
        asking, journey = self.dispatch.plan(self.routes, ask, model)
        await asking.ask(journey, Nowhere())
        journey.end()


async def measure(ask: Callable[[], Coroutine[Any, Any, None]]) -> float:
    """CPU-us a call."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CALLS):
            await ask()
        best = min(best, (time.process_time() - started) / CALLS * 1e6)
    return best


async def measure_all() -> Mapping[str, float]:
    """By route, what the provider alone takes taken off."""
    bench, prompt = Bench(), Prompt()
    alone = await measure(
        lambda: prompt.call(UpstreamCall(call_id="c", model="x", stream=True, members={}), Gathered())
    )
    names = list(bench.routes.catalog.names)
    return {name: await measure(lambda name=name: bench.ask(name)) - alone for name in names}  # type: ignore[misc]


def main() -> None:
    """Prints a table."""
    print(f"{'route':<24} CPU-us a call (goal {GOAL:g})")
    for name, cost in asyncio.run(measure_all()).items():
        print(f"{name:<24} {cost:.1f}")


if __name__ == "__main__":
    try:
        main()
    except RunestoneError as error:
        raise SystemExit(f"bench: {error}") from error
