"""`make bench`: what the gateway costs beside calling the upstream directly.

The gateway is pinned to one core, upstream and load to the other. CPU is user and system time of the gateway's whole
process tree over what was served; it is the figure that survives a noisy machine. With WRITE=1 the table replaces the one
in `bench/README.md`.
"""

import os
import statistics
import sys
from pathlib import Path

import uvloop

from bench.cases import CASES, Case
from bench.load import Result, run_closed, run_open
from bench.processes import LOAD_CORE, cpu_seconds, pss_mib
from bench.targets import Target, runestone, upstream

ROUNDS = int(os.environ.get("ROUNDS", "3"))
OPEN_RATE, OPEN_SECONDS = 25.0, 8.0
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

Row = dict[str, list[float]]


async def measure(target: Target, case: Case, row: Row) -> None:
    """One round of one case."""
    await run_closed(target.port, case.ask, connections=case.connections, seconds=0.5)  # warm-up, thrown away
    before = cpu_seconds(target.pid)
    result = await run_closed(target.port, _shifted(case), connections=case.connections, seconds=case.seconds)
    spent = cpu_seconds(target.pid) - before
    _refuse_failures(target, case.name, result)
    row.setdefault(f"{case.name} us", []).append(spent / max(1, getattr(result, case.unit)) * 1e6)
    row.setdefault(f"{case.name}/s", []).append(getattr(result, case.unit) / result.seconds)


def _shifted(case: Case) -> object:
    """The same questions, but none that the warm-up or another round asked."""
    offset = int.from_bytes(os.urandom(4)) << 20
    return lambda number: case.ask(offset + number)


async def measure_latency(target: Target, row: Row) -> None:
    """Latency at a rate that every target can hold."""
    offset = int.from_bytes(os.urandom(4)) << 20
    result = await run_open(
        target.port, lambda number: CASES[0].ask(offset + number), rate=OPEN_RATE, seconds=OPEN_SECONDS
    )
    _refuse_failures(target, "latency", result)
    cuts = statistics.quantiles(result.latencies, n=100)
    row.setdefault("p50 ms", []).append(cuts[49] * 1000)
    row.setdefault("p99 ms", []).append(cuts[98] * 1000)


def _refuse_failures(target: Target, what: str, result: Result) -> None:
    if result.failures or not result.answers:
        sys.exit(f"{target.name}, {what}: {result.answers} answers, failures: {result.failures}")


async def measure_all(targets: list[Target]) -> dict[str, Row]:
    """All cases, targets interleaved over the rounds."""
    rows: dict[str, Row] = {target.name: {} for target in targets}
    for number in range(ROUNDS):
        for target in targets:
            for case in CASES:
                if case.name != "cached" or target.name != "direct":
                    print(f"round {number + 1}/{ROUNDS}: {target.name}, {case.name}", file=sys.stderr)
                    await measure(target, case, rows[target.name])
            if number == 0:
                await measure_latency(target, rows[target.name])
    for target in targets:
        rows[target.name]["idle MiB"] = [target.idle_mib]
        rows[target.name]["after load MiB"] = [pss_mib(target.pid)]
        rows[target.name]["ready s"] = [target.ready_after]
    return rows


def table(rows: dict[str, Row]) -> str:
    """Medians, with the range of the rounds where there is one."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"| target | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(_cell(row.get(column)) for column in columns)} |")
    return "\n".join(lines)


def _cell(values: list[float] | None) -> str:
    if not values:
        return "-"
    middle = f"{statistics.median(values):,.3g}" if max(values) < 1000 else f"{statistics.median(values):,.0f}"
    return f"{middle} ({min(values):,.3g}-{max(values):,.3g})" if len(values) > 1 else middle


def write(text: str) -> None:
    """Replaces the table in the README."""
    before, rest = README.read_text().split(BEGIN)
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main() -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    with upstream() as direct, runestone(direct.port) as ours:
        rows = uvloop.run(measure_all([direct, ours]))
    with upstream() as direct, runestone(direct.port, "--one-process") as single:
        rows |= uvloop.run(measure_all([single]))
    text = table(rows)
    print(text)
    if os.environ.get("WRITE"):
        write(text)


if __name__ == "__main__":
    main()
