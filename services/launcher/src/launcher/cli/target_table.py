"""Targets, keys and connections as tables. Where several replicas answered, each line says whose it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from launcher.target_report import ConnectionLine, KeyLine, TargetLine

COLOURS = {"CLOSED": "green", "HALF_OPEN": "yellow", "OPEN": "red", "EJECTED": "red"}
NOTHING = "-"
NUMBERS = ("open", "idle", "dialing", "waiting", "dialed", "dial_failures", "reused")  # what else there is has --json

Line = TypeVar("Line", TargetLine, KeyLine, ConnectionLine)
Columns = Mapping[str, Callable[[Line], Text | str]]

TARGETS: Columns[TargetLine] = {
    "target": lambda line: line.name,
    "state": lambda line: Text(line.state.lower().replace("_", "-"), style=COLOURS.get(line.state, "")),
    "in flight": lambda line: str(line.running),
    "first byte": lambda line: spell_seconds(line.first_byte),
    "95 %": lambda line: spell_seconds(line.first_byte_p95),
    "failed": lambda line: f"{line.recent_failures} of {line.recent_calls}" if line.recent_calls else NOTHING,
    "last failure": lambda line: spell_reason(line.last_failure),
    "again in": lambda line: spell_seconds(line.retry_after),
}
KEYS: Columns[KeyLine] = {
    "provider": lambda line: line.provider,
    "key": lambda line: line.key or NOTHING,
    "in flight": lambda line: f"{line.running} of {line.limit}",
    "waiting": lambda line: str(line.waiting),
    "paused for": lambda line: spell_seconds(line.paused),
}


def draw_targets(lines: Sequence[TargetLine]) -> Table:
    """A line for each target and replica."""
    return _draw(lines, TARGETS)


def draw_keys(lines: Sequence[KeyLine]) -> Table:
    """A line for each key and replica."""
    return _draw(lines, KEYS)


def draw_connections(lines: Sequence[ConnectionLine]) -> Table:
    """A line for each provider and replica."""
    known = {name for line in lines for name in line.connections}
    names = [name for name in NUMBERS if name in known]
    columns: dict[str, Callable[[ConnectionLine], Text | str]] = {"provider": lambda line: line.provider}
    for name in names:
        columns[name.replace("_", " ")] = lambda line, name=name: f"{line.connections.get(name, 0):,}"  # type: ignore[misc]
    return _draw(lines, columns)


def spell_seconds(seconds: float | None) -> str:
    """Milliseconds below one second: `340 ms`, `2.5 s`."""
    if seconds is None:
        return NOTHING
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def spell_reason(reason: str | None) -> str:
    """Why a call failed, without saying again whose fault it was: `timeout`, `rate limited`."""
    return reason.removeprefix("PROVIDER_").lower().replace("_", " ") if reason else NOTHING


def _draw(lines: Sequence[Line], columns: Columns[Line]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    replicas = {line.replica for line in lines}
    if len(replicas) > 1:
        columns = {**columns, "replica": lambda line: line.replica}
    for title in columns:
        table.add_column(title)
    for line in lines:
        table.add_row(*(cell if isinstance(cell := find(line), Text) else Text(cell) for find in columns.values()))
    return table
