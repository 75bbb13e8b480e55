"""A run: all contenders, one alive at a time, interleaved over the rounds so that what drifts drifts for all."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import uvloop

from bench.accounting import pss_by_process
from bench.cases import CASES, Case, ask_once, shorten
from bench.cores import Cores
from bench.direct import Direct
from bench.figures import Row
from bench.measurement import Sample, Subject, measure_case, measure_latency
from bench.refusal import NotMeasured
from bench.targets import Contender, Target, started

LATENCY_SECONDS = 3.0  # a round, at 25 a second
FOREIGN = 0.10  # of the gateway's core; more of other work is worth a word


@dataclass(slots=True, kw_only=True)
class Session:
    """Gathers the rows. `cases` and `latency` (seconds, 0 for none) are what each visit measures."""

    cores: Cores
    cases: Sequence[Case] = CASES
    latency: float = LATENCY_SECONDS
    rows: dict[str, Row] = field(default_factory=dict)
    foreign: float = 0.0
    taken: int = 0

    def run(self, contenders: Sequence[Contender], rounds: int, patience: float) -> list[Row]:
        """Up to `rounds` rounds, every other one in reverse order; none is begun that would probably end after `patience`
        seconds. Raises NotMeasured for what is ours; a peer's failure is a note."""
        direct = Direct()
        self.rows[direct.name] = Row(name=direct.name)
        present = [contender for contender in contenders if self._is_installed(contender)]
        with started(direct, 0, self.cores.upstream, ask_once(direct.manner(0))) as upstream:
            began = time.monotonic()
            while self.taken < rounds and self._has_time(time.monotonic() - began, patience):
                say(f"round {self.taken + 1} of {rounds}")
                self._measure(direct, upstream, upstream.port, [shorten(case) for case in self.cases])
                for contender in present[:: -1 if self.taken % 2 else 1]:
                    self._visit(contender, upstream.port)
                self.taken += 1
        return list(self.rows.values())

    def _has_time(self, elapsed: float, patience: float) -> bool:
        return self.taken == 0 or elapsed + elapsed / self.taken <= patience

    def _is_installed(self, contender: Contender) -> bool:
        row = self.rows[contender.name] = Row(name=contender.name)
        with self._noting(contender):
            row.version = contender.install()
        return not row.notes

    def _visit(self, contender: Contender, upstream_port: int) -> None:
        row = self.rows[contender.name]
        question = ask_once(contender.manner(upstream_port))
        with self._noting(contender), started(contender, upstream_port, self.cores.gateway, question) as target:
            row.command = target.command
            row.add("ready s", target.ready)
            self._measure(contender, target, upstream_port, self.cases)

    def _measure(self, contender: Contender, target: Target, upstream_port: int, cases: Sequence[Case]) -> None:
        row = self.rows[contender.name]
        row.add("idle MiB", sum(target.idle.values()))
        row.add_idle(dict(target.idle))
        subject = Subject(
            name=contender.name,
            manner=contender.manner(upstream_port),
            port=target.port,
            pid=target.pid,
            upstream_port=upstream_port,
        )
        for case in cases:
            if contender.has_cache or not case.is_cached:
                with self._noting(contender):
                    warm = replace(case, warm_up=max(case.warm_up, contender.warm_up))
                    self._note(row, case, uvloop.run(measure_case(subject, warm, self.cores)))
        if self.latency:
            with self._noting(contender):
                self._note_latency(row, uvloop.run(measure_latency(subject, self.cores, self.latency)))
        row.add("after load MiB", sum(pss_by_process(target.pid).values()))

    def _note(self, row: Row, case: Case, sample: Sample) -> None:
        row.add(f"{case.name} µs", sample.microseconds)
        row.add(f"{case.name}/s", sample.rate)
        if case.model == "paced":
            row.stalled += sample.tally.stalled
            row.first_parts += sample.tally.first_parts
        if sample.is_bound_by_load:
            row.bound.add(f"{case.name}/s")
        self.foreign = max(self.foreign, sample.foreign)
        say(f"  {row.name}, {case.name}: {sample.microseconds:,.4g} µs, {sample.rate:,.0f}/s{_describe(sample)}")

    def _note_latency(self, row: Row, sample: Sample) -> None:
        row.add("25/s µs", sample.microseconds)
        row.latencies += sample.tally.latencies

    @contextmanager
    def _noting(self, contender: Contender) -> Iterator[None]:
        try:
            yield
        except NotMeasured as error:
            if not contender.is_peer:
                raise
            say(f"  left out: {error}")
            self.rows[contender.name].notes.append(str(error).splitlines()[0])


def _describe(sample: Sample) -> str:
    busy = max(sample.spent.load_core, sample.spent.upstream_core) / sample.spent.at
    remarks = [f"the load's core {busy:.0%} busy: it may be the limit"] if sample.is_bound_by_load else []
    if sample.foreign > FOREIGN:
        remarks.append(f"other work had {sample.foreign:.0%} of the gateway's core")
    return f" ({'; '.join(remarks)})" if remarks else ""


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)
