"""What a change did to the CPU of a call, told from figures of another day and perhaps another machine. Pure.

CPU time itself cannot be compared between machines, or between an idle and a busy one; its ratio to a yardstick measured
in the same minute can, roughly.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FACTOR = 3.0  # a busy machine, another processor or another Python stay well below it
NEWS = 1.25  # a smaller change, either way, is not worth landing a figure for


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """`calibration` in CPU-microseconds; `ratios` are each case's CPU in multiples of it."""

    calibration: float
    ratios: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`lines` are for the reader; `exceeded` names the cases that cost more than FACTOR times what landed."""

    lines: list[str]
    exceeded: list[str]


def count_in(calibration: float, microseconds: Mapping[str, float]) -> Costs:
    """CPU-microseconds of each case, counted in calibrations, to the three figures that mean anything.

    Raises ValueError for a yardstick without length.
    """
    if calibration <= 0:
        raise ValueError("the calibration took no time")
    ratios = {name: float(f"{cpu / calibration:.3g}") for name, cpu in microseconds.items()}
    return Costs(calibration=float(f"{calibration:.3g}"), ratios=ratios)


def judge(now: Costs, landed: Costs | None) -> Verdict:
    """Each case beside its landed figure. A case that never landed is only told."""
    lines, exceeded = [f"calibration: {now.calibration:,.0f} CPU-µs"], []
    before = landed.ratios if landed else {}
    for name, ratio in now.ratios.items():
        change = ratio / before[name] if name in before else None
        lines.append(f"{name}: {_tell(now, name)}; {_tell_change(before.get(name), change)}")
        if change is not None and change > FACTOR:
            exceeded.append(name)
    return Verdict(lines=lines, exceeded=exceeded)


def _tell(now: Costs, name: str) -> str:
    return f"{now.ratios[name] * now.calibration:,.4g} CPU-µs = {now.ratios[name]:.3g} x calibration"


def _tell_change(landed: float | None, change: float | None) -> str:
    if landed is None or change is None:
        return "never landed (UPDATE=1 lands it)"
    news = "" if 1 / NEWS < change < NEWS else ", UPDATE=1 lands it"
    return f"last landed {landed:.3g} ({change:.0%} of it{news})"
