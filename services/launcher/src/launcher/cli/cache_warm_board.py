"""How warming goes, on the terminal: a bar while it runs, a line or a JSON object at its end."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Self

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway_edge.inner.question_file import Line
from gateway_edge.inner.round import Came

TOLD = 20  # bad lines that are told of each, and kinds of failures; more are counted


class WarmBoard:
    """Shows a bar on a terminal, and nothing of the kind elsewhere or with `as_json`. `total` is how far lines go, None where
    that is not known."""

    def __init__(self, source: str, total: int | None, *, as_json: bool) -> None:
        self._source = source
        self._as_json = as_json
        self._began = time.monotonic()
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        counts = TextColumn("{task.fields[hits]} hits, {task.fields[misses]} misses, {task.fields[failed]} failed")
        self._bar = Progress(*columns, counts, console=console, disable=as_json or not console.is_terminal)
        self._task = self._bar.add_task("warming", total=total, hits=0, misses=0, failed=0)
        self._furthest = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.stop()

    def show(self, line: Line, came: Came, counts: Mapping[str, int]) -> None:
        """One line is over."""
        if came is Came.BAD_LINE and counts["bad_lines"] <= TOLD:
            self._say(f"{self._source}:{line.number}: {line.fault}")
        self._furthest = max(self._furthest, line.end)
        self._bar.update(
            self._task,
            completed=self._furthest,
            hits=counts["hits"],
            misses=counts["misses"],
            failed=counts["failed"],
        )

    def sum_up(self, counts: Mapping[str, int], failures: Counter[str], *, is_interrupted: bool) -> None:
        """What came of it all."""
        seconds = round(time.monotonic() - self._began, 1)
        if self._as_json:
            said = {**counts, "failures": dict(failures.most_common(TOLD)), "seconds": seconds}
            print(msgspec.json.encode({**said, "interrupted": is_interrupted}).decode())
            return
        for trouble, count in failures.most_common(TOLD):
            self._say(f"{count} failed: {trouble}")
        print(f"{'interrupted: ' if is_interrupted else ''}{spell_counts(counts)}, {seconds} s")

    @staticmethod
    def _say(text: str) -> None:
        typer.echo(f"runestone: {text}", err=True)


def spell_counts(counts: Mapping[str, int]) -> str:
    """`12 asked: 4 hits, 7 misses, 1 not kept, 0 failed; 2 bad lines`: the rare two only where there are any."""
    answered = f"{counts['hits']} hits, {counts['misses']} misses"
    in_vain = f", {counts['not_kept']} not kept" if counts["not_kept"] else ""
    bad = f"; {counts['bad_lines']} bad lines" if counts["bad_lines"] else ""
    return f"{counts['asked']} asked: {answered}{in_vain}, {counts['failed']} failed{bad}"
