"""`python -m bench.pipeline`: what the edge's default pipeline costs a call, in one process and without I/O.

The real door, pipeline and stubs; in place of each session to a service somebody who answers at once, in place of the
connection and of the spool somebody who takes what is sent. A question of 4 KiB, never asked before, under a tenant's and a
key's limit: the cache does not know it, a lease admits it, the provider answers 600 bytes, the cache is given them. One call
at a time, warm. The calmest of the rounds counts: other work on the machine only adds.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import cast

import orjson
import uvloop

from bench.figures import quantile
from chassis import logs
from chassis.client import Answers, Link
from chassis.config import Settings, parse_settings
from chassis.ids import new_call_id
from chassis.metadata import Metadata
from chassis.metrics import Metrics
from chassis.runtime import Place, Runtime
from chassis.snapshots import Snapshot, SnapshotFeed, snapshot_version
from gateway_edge.caching.revalidation import Revalidation
from gateway_edge.call import Call
from gateway_edge.containment.plugins import Plugins
from gateway_edge.door.door import Door
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.door.running import RunningCalls
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.request import Request
from gateway_edge.inner.calls import InnerCalls
from gateway_edge.middleware.admit import Admit
from gateway_edge.middleware.record import Record
from gateway_edge.middleware.settle import Settle
from gateway_edge.peers import connect_peers
from gateway_edge.pipeline import Standing, lay_pipelines
from gateway_edge.policy import Policy
from gateway_edge.protection.call_bounds import CallBounds
from gateway_edge.question.leading import RuleFailures
from gateway_edge.repeats.repeats import Means, Repeats
from gateway_edge.stopwatch import OUTSIDE
from gateway_edge.streams.opening import open_streams
from runestone.cache.v1.cache_pb2 import LookUpResponse, Mark, Miss, StoreAllResponse, WatchKeysResponse, WatchResponse
from runestone.provider.v1.provider_pb2 import Accepted, CallEvent, CallResponse, Completed, Data
from runestone.ratelimit.v1.ratelimit_pb2 import LeaseRequest, LeaseResponse, ReserveRequest, ReserveResponse

WARM_UP, CALLS, ROUNDS = 2_000, 1_000, 20
KEY = "bench-key-0123456789"
GOALS = {0.5: 0.3, 0.99: 0.6}  # milliseconds of all middleware
CONFIGURATION = f"""
providers: [{{name: sim, kind: simulated}}]
models: [{{name: burst, targets: [{{provider: sim, model: burst}}]}}]
tenants:
  - name: acme
    limits: {{requests_per_minute: 1_000_000_000}}
    keys: [{{name: ci, secret: {KEY}, limits: {{requests_per_minute: 1_000_000_000}}}}]
"""
FILLER = ("Please explain, in plain words, how a gateway relays tokens. " * 70)[:4_000]
ANSWER = orjson.dumps({"object": "chat.completion", "choices": [{"message": {"content": "x" * 530}}]})

# What each rpc answers when it is always the same.
CONSTANT = {
    "LookUp": LookUpResponse(miss=Miss()).SerializeToString(),
    "StoreAll": StoreAllResponse().SerializeToString(),
    "Return": b"",
}
# What cache-svc says to whoever listens to it: nothing is kept, and nothing changes.
TOLD = {
    "Watch": WatchResponse(mark=Mark(epoch="bench")).SerializeToString(),
    "WatchKeys": WatchKeysResponse(complete=True).SerializeToString(),
}
PEERS = ("cache", "ratelimit", "provider", "audit")
EVENTS = CallResponse(
    events=[
        CallEvent(accepted=Accepted(provider="sim", model="burst", attempt=1)),
        CallEvent(data=Data(body=ANSWER)),
        CallEvent(completed=Completed(finish_reason="stop")),
    ]
).SerializeToString()


class Obliging:
    """A link to a service that answers at once."""

    is_connected = True

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:  # noqa: ARG002  a link's signature
        """A unary call."""
        match method.rpartition("/")[2]:
            case "Lease":
                return _lease(LeaseRequest.FromString(request)).SerializeToString()
            case "Reserve":
                return _reserve(ReserveRequest.FromString(request)).SerializeToString()
            case rpc:
                return CONSTANT[rpc]

    def stream(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> Answers:  # noqa: ARG002  a link's signature
        """A whole answer in one message, as a session has it; what is told to listeners, and then nothing."""
        told = TOLD.get(method.rpartition("/")[2])
        return cast("Answers", _say_once() if told is None else _tell(told))

    async def is_connected_within(self, timeout: float) -> bool:  # noqa: ARG002  a link's signature
        """Always."""
        return True

    async def close(self) -> None:
        """Nothing is open."""


async def _say_once() -> AsyncIterator[bytes]:
    yield EVENTS


async def _tell(news: bytes) -> AsyncIterator[bytes]:
    while True:
        yield news
        await asyncio.sleep(1)


def _lease(request: LeaseRequest) -> LeaseResponse:
    """All that is asked."""
    response = LeaseResponse(admitted=request.calls)
    for asked in request.limits:
        leased = response.limits.add(lease_id="lease" if asked.ahead else "", units=asked.ahead)
        leased.state.admitted, leased.state.remaining = True, asked.limit.quantity
    return response


def _reserve(request: ReserveRequest) -> ReserveResponse:
    response = ReserveResponse(admitted=True)
    for limit in request.limits:
        response.states.add(admitted=True, remaining=limit.quantity)
    return response


class InProcess(Runtime):
    """A runtime whose peers are obliging."""

    def _link_to(self, peer: str) -> Link:  # noqa: ARG002  all the same
        return Obliging()


class Sink:
    """A connection that has one request's body and takes what is sent, and a spool that keeps nothing."""

    keeps_alive = True
    is_full = False
    client_address = "127.0.0.1"

    def __init__(self, body: bytes = b"") -> None:
        self._body = body
        self.written = b""

    async def read_body(self, most: int, timeout: float) -> bytes:  # noqa: ARG002  a connection's signature
        """The whole body, which is there."""
        return self._body

    async def write(self, data: bytes) -> None:
        """Never waits."""
        self.written += data

    def append(self, record: bytes) -> None:
        """A record, serialized."""


class Stages(EdgeMetrics):
    """Counts as the edge does, and keeps each call's times."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime.metrics)
        self.calls: list[dict[str, float]] = []

    def note_call(self, call: Call, path: str, status: int, seconds: float) -> None:
        """As the edge; `read` gives one dictionary for the life of a call."""
        super().note_call(call, path, status, seconds)
        self.calls.append(dict(call.stopwatch.read()))


def open_door(runtime: Runtime, stages: Stages) -> Door:
    """The edge's own, with nothing behind it."""
    protection = runtime.settings.edge.protection
    loop = asyncio.get_running_loop()
    bounds = CallBounds(
        lambda: protection,
        loop,
        measure_memory=lambda: 0,
        max_memory=None,
        facts=runtime.facts,
        metrics=runtime.metrics,
    )
    running = RunningCalls(clock=runtime.clock, tracing=runtime.tracing, metrics=stages, log=runtime.log)
    inner = InnerCalls(
        lambda: ways,
        running,
        clock=runtime.clock,
        new_id=new_call_id,
        tracing=runtime.tracing,
    )
    peers = connect_peers(runtime)
    streams = open_streams(runtime, peers, running)
    standing = Standing(
        record=Record(Sink(), runtime.clock),
        settle=Settle(runtime.metrics, EdgeMetrics(Metrics()).tenants),
        admit=Admit(bounds, runtime.clock),
        plugins=Plugins(runtime.metrics, runtime.log),
        revalidation=Revalidation(inner, runtime.spawn),
        streams=streams,
        rule_failures=RuleFailures(runtime.metrics, runtime.log),
    )
    policy = Policy.of(runtime.snapshots.current, runtime.clock.time())
    ways = lay_pipelines(policy, peers, standing)
    repeats = Repeats(
        Means(
            near=peers.near,
            leases=peers.leases,
            spool=Sink(),
            uses=peers.uses,
            metrics=stages,
            clock=runtime.clock,
            new_id=new_call_id,
            tracing=runtime.tracing,
            log=runtime.log,
        )
    )
    return Door(
        lambda: ways,
        running,
        streams.running,
        repeats,
        clock=runtime.clock,
        new_id=new_call_id,
        tracing=runtime.tracing,
    )


async def ask(door: Door, number: int) -> float:
    """Seconds that a call took; what it left to do in the background is done before the next."""
    message = {"role": "user", "content": f"{number}: {FILLER}"}
    body = orjson.dumps({"model": "burst", "messages": [message], "temperature": 0})
    request, sink = Request("POST", "/v1/chat/completions", headers={"authorization": f"Bearer {KEY}"}), Sink(body)
    begun = perf_counter()
    await door.handle(request, cast("Connection", sink))
    seconds = perf_counter() - begun
    if not sink.written.startswith(b"HTTP/1.1 200 ") or b"x-cache: MISS" not in sink.written:
        sys.exit(f"bench: not answered as it should be: {sink.written[:300]!r}")
    for _ in range(3):
        await asyncio.sleep(0)
    return seconds


def read_settings() -> Settings:
    """A tenant and a key with limits that never refuse, and nothing else that is not the default."""
    return parse_settings(CONFIGURATION, environment={})


@dataclass(frozen=True)
class Round:
    """Seconds of each call's stages, and of each call with the door around them."""

    calls: list[dict[str, float]]
    with_door: list[float]

    @property
    def middleware(self) -> list[str]:
        """The stages but the door."""
        return [name for name in self.calls[0] if name != OUTSIDE]

    @property
    def whole(self) -> list[float]:
        """Each call's middleware together."""
        return [sum(call[name] for name in self.middleware) for call in self.calls]


async def measure(settings: Settings, warm_up: int = WARM_UP, count: int = CALLS, rounds: int = ROUNDS) -> Round:
    """The calmest of `rounds` of `count` calls each."""
    place = Place(listen="", data_dir=Path(), peers=dict.fromkeys(PEERS, "nowhere"))
    runtime = InProcess("edge", place, SnapshotFeed(Snapshot(snapshot_version(settings), settings)))
    stages = Stages(runtime)
    door = open_door(runtime, stages)
    for number in range(warm_up):
        await ask(door, number)
    gc.collect()
    gc.freeze()  # as a service does once it has started
    measured = []
    for number in range(rounds):
        stages.calls = []
        with_door = [await ask(door, warm_up + number * count + call) for call in range(count)]
        measured.append(Round(stages.calls, with_door))
    await runtime.stop(0)
    return min(measured, key=lambda one: quantile(one.whole, 0.99))


def print_table(measured: Round) -> None:
    """Microseconds at the median and at the 99th of a hundred, a row for each stage."""
    print(f"| {'stage':<14} | p50 us | p99 us |\n| {'-' * 14} | -----: | -----: |")
    for name in measured.middleware:
        _print_row(name, [call[name] for call in measured.calls])
    _print_row("all middleware", measured.whole)
    _print_row("and the door", measured.with_door)
    for share, goal in GOALS.items():
        found = quantile(measured.whole, share) * 1000
        verdict = "" if found <= goal else ", MISSED"
        print(f"p{share * 100:.0f} of all middleware: {found:.3f} ms; the goal is {goal} ms{verdict}")


def _print_row(name: str, seconds: list[float]) -> None:
    p50, p99 = (quantile(seconds, share) * 1e6 for share in GOALS)
    print(f"| {name:<14} | {p50:6.1f} | {p99:6.1f} |")


def main() -> None:
    """Measures and prints."""
    logs.configure(level="warning")
    print_table(uvloop.run(measure(read_settings())))


if __name__ == "__main__":
    main()
