"""What a dashboard is, before it is Grafana's JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["timeseries", "stat", "table"]

# A panel's widths, in Grafana's grid of 24 columns.
QUARTER, THIRD, HALF, WHOLE = 6, 8, 12, 24
TALL, LOW = 8, 4

Steps = tuple[tuple[float, str], ...]  # from this value on this colour; below the first all is well


@dataclass(frozen=True, kw_only=True)
class Query:
    """One PromQL expression; `legend` names its series, `exemplar` asks for the traces behind them."""

    expr: str
    legend: str = ""
    exemplar: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A question with its answer: `says` is what it means and what to do. `runbook` is a page of docs/runbooks, without `.md`."""

    title: str
    says: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = THIRD
    height: int = TALL
    steps: Steps = ()
    most: float | None = None
    is_stacked: bool = False
    runbook: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under one title."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the top: the values of `label` that `metric` has, under what was chosen before."""

    name: str
    label: str
    metric: str


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One page. `name` is its file, and its uid behind `runestone-`."""

    name: str
    title: str
    says: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
