"""Audit records as a table that fits: fewer columns on a narrow terminal, and no cell in pieces. `--json` has everything."""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

Record = Mapping[str, object]

# In the order in which they are shown.
TITLES = {
    "started_at": "started (UTC)",
    "request_id": "request id",
    "tenant": "tenant",
    "model": "model",
    "status": "status",
    "duration_ms": "ms",
    "cost_usd": "cost ($)",
    "cache": "cache",
    "route": "led to",
    "arm": "experiment",
    "why": "why",
    "failed_attempts": "failed",
    "error_reason": "error",
}
SELDOM = frozenset({"route", "arm", "why", "failed_attempts"})  # shown where there is something to show
# In the order in which they are left out; `request_id` stays, everything else of a call is found by it.
DISPENSABLE = (
    "why",
    "failed_attempts",
    "route",
    "arm",
    "cache",
    "cost_usd",
    "duration_ms",
    "tenant",
    "error_reason",
    "model",
    "started_at",
    "status",
)
GAP = 2  # cells between two columns
LONGEST_CELL = 32


def draw_records(records: Sequence[Record], width: int | None) -> Table:
    """As many columns as `width` cells hold; all of them without a width."""
    columns = {name: [_spell(name, record) for record in records] for name in TITLES}
    columns = {name: cells for name, cells in columns.items() if name not in SELDOM or any(cells)}
    widths = {name: _width_of(name, cells) for name, cells in columns.items()}
    names = choose_columns(widths, width)
    table = Table(box=None, header_style="bold", pad_edge=False, width=_add_up(widths, names))
    for name in names:
        table.add_column(TITLES[name], no_wrap=True, overflow="ignore")
    for row in zip(*(columns[name] for name in names), strict=True):
        table.add_row(*map(Text, row))
    return table


def choose_columns(widths: Mapping[str, int], width: int | None) -> list[str]:
    """The columns to show, given the cells that each takes."""
    names = list(widths)
    for dispensable in filter(widths.__contains__, DISPENSABLE):
        if width is None or _add_up(widths, names) <= width:
            break
        names.remove(dispensable)
    return names


def _add_up(widths: Mapping[str, int], names: Sequence[str]) -> int:
    return sum(widths[name] for name in names) + GAP * (len(names) - 1)


def _width_of(name: str, cells: Sequence[str]) -> int:
    return max(map(cell_len, (TITLES[name], *cells)))


def _spell(name: str, record: Record) -> str:
    value = record.get(name)
    if value is None or (name == "route" and value == record.get("model")):
        return ""
    if isinstance(value, list):
        return str(len(value) or "")
    if name == "arm" and value:
        value = f"{record.get('experiment')}={value}"
    if isinstance(value, float) and name == "cost_usd":
        return _spell_cost(value, is_estimated=bool(record.get("cost_is_estimated")))
    text = str(value)
    if name == "started_at":
        return text[:19].replace("T", " ")
    if name == "request_id" or cell_len(text) <= LONGEST_CELL:
        return text
    return set_cell_size(text, LONGEST_CELL - 1) + "…"


def _spell_cost(dollars: float, *, is_estimated: bool) -> str:
    """`0.000123`, and `~0.000123` where it was estimated."""
    digits = f"{dollars:.9f}".rstrip("0").rstrip(".")
    return f"~{digits}" if is_estimated else digits
