"""One case on one target: the load is let run warm, then counted between two readings of the CPU."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.accounting import core_busy_seconds, cpu_seconds
from bench.cases import UNARY, Case
from bench.client import Tally
from bench.cores import Cores
from bench.direct import count_asked
from bench.load import closed_loop, open_loop
from bench.refusal import NotMeasured
from bench.targets import Manner

RATE = 25.0  # questions a second that every gateway can hold
BOUND = 90.0  # seconds that a case may take before it is given up
BUSY = 0.8  # of the load's or the upstream's core, from which on they may be the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is asked, and which processes count: the target's tree, and the upstream behind it."""

    name: str
    manner: Manner
    port: int
    pid: int
    upstream_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters at one moment, seconds: the target's CPU, and how long each core was busy."""

    at: float
    cpu: float
    gateway_core: float
    upstream_core: float
    load_core: float

    def __sub__(self, other: "Reading") -> "Reading":
        return Reading(
            at=self.at - other.at,
            cpu=self.cpu - other.cpu,
            gateway_core=self.gateway_core - other.gateway_core,
            upstream_core=self.upstream_core - other.upstream_core,
            load_core=self.load_core - other.load_core,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one case showed: what was served, in which time, at what CPU."""

    served: int
    spent: Reading
    tally: Tally

    @property
    def microseconds(self) -> float:
        """CPU of the target for each thing served."""
        return self.spent.cpu / self.served * 1e6

    @property
    def rate(self) -> float:
        """Served a second."""
        return self.served / self.spent.at

    @property
    def is_bound_by_load(self) -> bool:
        """Whether the target might have served more, had it been asked faster."""
        return max(self.spent.load_core, self.spent.upstream_core) > BUSY * self.spent.at

    @property
    def foreign(self) -> float:
        """The part of the gateway's core, 0 to 1, that others than the target had."""
        return max(0.0, self.spent.gateway_core - self.spent.cpu) / self.spent.at


async def measure_case(subject: Subject, case: Case, cores: Cores) -> Sample:
    """Raises NotMeasured when anything failed, warm-up included, or when a cache answered, or did not, against the case."""
    ask = case.questions(subject.manner)
    loop = closed_loop(subject.port, ask, connections=case.connections, stagger=case.stagger, is_stream=case.is_stream)
    async with _bounded(subject, case.name), loop as tally:
        await _let_run(tally, case.warm_up, case.connections)
        asked, before = count_asked(subject.upstream_port), read(subject.pid, cores)
        warm = tally.take()
        await _let_run(tally, case.seconds, case.connections)
        seen, spent = tally.take(), read(subject.pid, cores) - before
        asked = count_asked(subject.upstream_port) - asked
    _refuse_failures(subject, case.name, warm, seen, tally)
    _refuse_wrong_way(subject, case, seen, asked)
    return Sample(served=seen.events if case.is_stream else seen.answers, spent=spent, tally=seen)


async def _let_run(tally: Tally, seconds: float, answers: int) -> None:
    """At least so long, and until so many were answered: one wave of all connections, however slow the target is, warms
    it up, and is the least that is worth counting. Ends early when something failed, for then there is no figure."""
    await asyncio.sleep(seconds)
    while tally.answers < answers and not tally.failures:  # noqa: ASYNC110  an event would cost each answer something
        await asyncio.sleep(0.05)


async def measure_latency(subject: Subject, cores: Cores, seconds: float) -> Sample:
    """Answers at a rate that every target can hold, each on time whether or not the last one came. Raises NotMeasured."""
    ask = UNARY.questions(subject.manner)
    async with _bounded(subject, "latency"):
        warm = await open_loop(subject.port, ask, rate=RATE, seconds=0.5)
        before = read(subject.pid, cores)
        seen = await open_loop(subject.port, ask, rate=RATE, seconds=seconds)
        spent = read(subject.pid, cores) - before
    _refuse_failures(subject, "latency", warm, seen)
    return Sample(served=seen.answers, spent=spent, tally=seen)


def read(pid: int, cores: Cores) -> Reading:
    """The counters now."""
    return Reading(
        at=time.perf_counter(),
        cpu=cpu_seconds(pid),
        gateway_core=core_busy_seconds(cores.gateway),
        upstream_core=core_busy_seconds(cores.upstream),
        load_core=core_busy_seconds(cores.load),
    )


@asynccontextmanager
async def _bounded(subject: Subject, what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(BOUND):
            yield
    except TimeoutError as late:
        raise NotMeasured(f"{subject.name}, {what}: given up after {BOUND:g} s") from late


def _refuse_failures(subject: Subject, what: str, *tallies: Tally) -> None:
    failures: dict[str, int] = {}
    for tally in tallies:
        for why, count in tally.failures.items():
            failures[why] = failures.get(why, 0) + count
    if failures or not any(tally.answers for tally in tallies):
        raise NotMeasured(f"{subject.name}, {what}: failures {failures or 'none, and no answers'}")


def _refuse_wrong_way(subject: Subject, case: Case, seen: Tally, asked: int) -> None:
    """A few in flight at either end of the window may belong to the other side of it."""
    if case.is_cached and asked > case.connections:
        raise NotMeasured(
            f"{subject.name}, {case.name}: the upstream was asked {asked} times; its cache does not answer"
        )
    if not case.is_cached and asked < seen.answers - case.connections:
        raise NotMeasured(f"{subject.name}, {case.name}: the upstream was asked only {asked} of {seen.answers} times")
