"""`make chaos`: a day on which targets break at random, of whose calls none may be lost.

At every moment one target is well, so that every call could have been answered. The same seed breaks the same targets at the same times
in the same ways. Streams that are cut when a part of them is the client's are told apart; with `--continue-streams` they go on.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chaos.load import ANSWERED, CUT, LOST, Ending, Tally, load
from chaos.metrics import Numbers, measure
from chaos.targets import Target, storm
from chaos.weather import Spell, forecast
from makers import MAKERS
from real_mesh import PRICES, Mesh, mesh_running

from chassis.testing import free_port

MODEL = "day"
HURRIED = {"connect": "500ms", "first_byte": "1s", "idle": "1s", "total": "20s"}
KINDS = ("OpenAI", "Anthropic", "compatible", "OpenAI")  # of the targets, in turn


@dataclass(frozen=True, kw_only=True)
class Day:
    """What a day is like: `rate` in calls a second."""

    seed: int = 1
    seconds: float = 300.0
    rate: float = 12.0
    targets: int = 4
    strategy: str = "weighted"
    continue_streams: bool = False

    @property
    def spells(self) -> list[Spell]:
        """Who breaks when."""
        return forecast(self.seed, self.targets, self.seconds)


@dataclass(frozen=True)
class Report:
    """What came of a day."""

    day: Day
    tally: Tally
    numbers: Numbers

    @property
    def calls_upstream_for_each(self) -> float:
        """Upstream calls that were made for a call."""
        return self.numbers.sum("upstream_calls_total") / max(self.tally.calls, 1)

    def __str__(self) -> str:
        fates, extra = self.tally.fates, self._count_extra
        row = {
            "calls": self.tally.calls,
            ANSWERED: fates[ANSWERED],
            "retried": extra("retry"),
            "failed over": extra("failover"),
            "hedged": extra("hedge"),
            "continued": extra("continue"),
            CUT: fates[CUT],
            LOST: fates[LOST],
            "upstream calls per call": f"{self.calls_upstream_for_each:.3f}",
        }
        head = (
            f"seed {self.day.seed}: {len(self.day.spells)} faults in {self.day.seconds:g} s, {self.day.targets} targets"
        )
        widths = [max(len(name), len(str(value))) for name, value in row.items()]
        lines = (
            "  ".join(str(cell).rjust(width) for cell, width in zip(cells, widths, strict=True))
            for cells in (row, row.values())
        )
        return "\n".join((head, *lines))

    def explain(self, ending: Ending) -> str:
        """An unanswered call beside what was broken then."""
        broken = [spell for spell in self.day.spells if spell.start - 3 <= ending.at <= spell.end + 3]
        around = "; ".join(f"{spell.target} {spell.fault} {spell.start:.1f}-{spell.end:.1f}" for spell in broken)
        form = "streamed" if ending.stream else "whole"
        return f"{ending.fate} at {ending.at:.1f} s, {ending.dialect} {form}: {ending.words}\n    broken: {around}"

    def _count_extra(self, why: str) -> int:
        return int(self.numbers.sum("upstream_extra_calls_total", why=why))


@contextmanager
def mesh_of(day: Day, ports: Sequence[int], *options: str) -> Iterator[Mesh]:
    """A mesh with one model, whose targets are at `ports`."""
    providers: list[dict[str, Any]] = []
    for number, port in enumerate(ports):
        kind, path = MAKERS[KINDS[number % len(KINDS)]]
        own = {"api_key": "upstream-secret", "timeouts": HURRIED, "prices": PRICES}
        providers.append({"name": f"t{number}", "kind": kind, "base_url": f"http://127.0.0.1:{port}{path}", **own})
    model = {
        "name": MODEL,
        "targets": [{"provider": provider["name"], "model": "weathered"} for provider in providers],
        "strategy": day.strategy,
        "hedging": {"after": "500ms"},
        "continue_streams": day.continue_streams,
    }
    with mesh_running(*options, providers=providers, models=[model]) as mesh:
        yield mesh


async def spend(mesh: Mesh, day: Day, ports: Sequence[int]) -> Report:
    """The day, from its first call to the end of its last."""
    targets = [Target(port) for port in ports]
    try:
        for target in targets:
            await target.start()
        storming = asyncio.create_task(storm(targets, day.spells))
        tally = await load(mesh.url, MODEL, rate=day.rate, seconds=day.seconds, seed=day.seed)
        await storming
        return Report(day, tally, await measure(mesh))
    finally:
        for target in targets:
            await target.stop()


def run(day: Day, *options: str) -> Report:
    """A mesh's day."""
    ports = [free_port() for _ in range(day.targets)]
    with mesh_of(day, ports, *options) as mesh:
        return asyncio.run(spend(mesh, day, ports))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what came of the day; 1 when calls were lost."""
    parser = argparse.ArgumentParser(prog="chaos.day_of_faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=Day.rate, help="calls a second")
    parser.add_argument("--seed", type=int, default=Day.seed)
    parser.add_argument("--targets", type=int, default=Day.targets)
    parser.add_argument("--strategy", default=Day.strategy)
    parser.add_argument("--continue-streams", action="store_true")
    given = vars(parser.parse_args(arguments))
    logging.disable()  # the fakes' server tells of every client that left it
    report = run(Day(seconds=60 * given.pop("minutes"), **given), "--one-process")
    for ending in report.tally.unanswered:
        if ending.fate == LOST or report.day.continue_streams:
            print(report.explain(ending))  # noqa: T201  the command's answer
    print(report)  # noqa: T201
    return 1 if report.tally.fates[LOST] else 0


if __name__ == "__main__":
    sys.exit(main())
