"""The figures as Markdown. Pure."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from bench.figures import Row, added_milliseconds, quantile

DIRECT = "direct"
Cell = Callable[[Row, Row | None], str]  # of a target, beside `direct` of the same run


def measured(column: str) -> Cell:
    """The median of the rounds and their range, `≥` where the load may have been the limit."""

    def cell(row: Row, _direct: Row | None) -> str:
        return ("≥ " if column in row.bound else "") + spread(row.figures.get(column, []))

    return cell


def added(attribute: str, share: float) -> Cell:
    """What the target adds to `direct` at a quantile over all rounds, in milliseconds."""

    def cell(row: Row, direct: Row | None) -> str:
        if direct is None or row is direct:
            return "-"
        value = added_milliseconds(getattr(row, attribute), getattr(direct, attribute), share)
        return "-" if value is None else f"{value:+.2f}"

    return cell


def stalled(row: Row, _direct: Row | None) -> str:
    """Streams with a gap longer than ten times the pace, percent."""
    return f"{100 * row.stalled / len(row.first_parts):.1f}" if row.first_parts else "-"


COLUMNS: dict[str, Cell] = {
    "unary µs": measured("unary µs"),
    "unary/s": measured("unary/s"),
    "cached µs": measured("cached µs"),
    "cached/s": measured("cached/s"),
    "burst µs/event": measured("burst µs"),
    "paced µs/event": measured("paced µs"),
    "first chunk p50 ms": added("first_parts", 0.50),
    "first chunk p99 ms": added("first_parts", 0.99),
    "stalled %": stalled,
    "25/s: p50 ms": added("latencies", 0.50),
    "25/s: p99 ms": added("latencies", 0.99),
    "25/s: µs": measured("25/s µs"),
    "ready s": measured("ready s"),
    "idle MiB": measured("idle MiB"),
    "after load MiB": measured("after load MiB"),
}


def write_table(rows: Sequence[Row]) -> str:
    """One line a target, one column a figure."""
    direct = next((row for row in rows if row.name == DIRECT), None)
    lines = [[row.name, *(cell(row, direct) for cell in COLUMNS.values())] for row in rows]
    return write_grid(["target", *COLUMNS], lines)


def write_processes(rows: Sequence[Row], imports: Mapping[str, float]) -> str:
    """One line a process: what it holds idle, and how long its imports take where that is known."""
    lines = [
        [row.name, name, spread(values), f"{imports[name] * 1000:,.0f}" if name in imports else "-"]
        for row in rows
        for name, values in sorted(row.idle.items())
    ]
    return write_grid(["target", "process", "idle PSS MiB", "imports ms"], lines)


def write_grid(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *lines])


def write_caption(rows: Sequence[Row], machine: str, rounds: int, foreign: float) -> str:
    """What the figures are differences to, which versions ran and how, what could not be measured, and how much of the
    gateway's core (0 to 1) other work had at worst."""
    how = f"Medians of {rounds} rounds (lowest-highest)" if rounds > 1 else "One round"
    lines = [f"{how}. {machine}. Other work had up to {foreign:.0%} of the gateway's core.", ""]
    for row in rows:
        if row.name == DIRECT and row.latencies and row.first_parts:
            lines += [f"- `{DIRECT}`, which the differences are taken to: {_describe_direct(row)}"]
        elif row.command:
            lines += [f"- {row.name} {row.version}: `{row.command}`"]
        lines += [f"- {row.name}: not measured: {note}" for note in row.notes]
    return "\n".join(lines)


def _describe_direct(row: Row) -> str:
    latency, first = ([quantile(values, q) * 1000 for q in (0.5, 0.99)] for values in (row.latencies, row.first_parts))
    return f"latency p50 {latency[0]:.2f} ms, p99 {latency[1]:.2f} ms; first chunk p50 {first[0]:.2f} ms, p99 {first[1]:.2f} ms."


def spread(values: Sequence[float]) -> str:
    """The median with the range of the rounds, where they differ."""
    if not values:
        return "-"
    lowest, middle, highest = map(number, (min(values), statistics.median(values), max(values)))
    return middle if lowest == highest else f"{middle} ({lowest}-{highest})"


def number(value: float) -> str:
    """Three figures, and every digit before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
