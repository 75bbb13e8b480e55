"""What was measured, gathered over the rounds, and what is made of it. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Row:
    """All figures of one target. `figures` holds one value a round by column, `bound` the columns in which the load may
    have been the limit, the lists below every answer of every round (seconds), `idle` MiB by process and round."""

    name: str
    version: str = ""
    command: str = ""
    figures: dict[str, list[float]] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    latencies: list[float] = field(default_factory=list)
    first_parts: list[float] = field(default_factory=list)
    stalled: int = 0
    idle: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, column: str, value: float) -> None:
        """One more round."""
        self.figures.setdefault(column, []).append(value)

    def add_idle(self, by_process: dict[str, float]) -> None:
        """One more round's memory."""
        for name, mib in by_process.items():
            self.idle.setdefault(name, []).append(mib)

    def middle(self, column: str) -> float | None:
        """The median over the rounds; None when it was not measured."""
        values = self.figures.get(column)
        return statistics.median(values) if values else None


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all do not exceed: the nearest rank, which is a value that
    was seen. Raises ValueError for none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[max(0, rank - 1)]


def added_milliseconds(values: Sequence[float], direct: Sequence[float], share: float) -> float | None:
    """What a gateway adds at a quantile, from times in seconds; None when either side was not measured."""
    if not values or not direct:
        return None
    return (quantile(values, share) - quantile(direct, share)) * 1000
