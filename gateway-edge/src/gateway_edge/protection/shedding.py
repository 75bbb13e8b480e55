"""Which calls are shed under pressure: those of the lowest priority first. Pure.

Pressure is the share that is borne of what can be: 1.0 is all of it. From 0.8 on one priority after the other is shed, so
that at 0.9 there is room left for what is worth most; at 1.0 there is room for nothing.
"""

from bisect import bisect_right

PRIORITIES = 10  # 0 is shed first, 9 last
START = 0.8
MARGIN = 0.05  # so far must pressure fall below where shedding began, before it ends: else it would begin and end with each call
CALM = START - MARGIN  # below it nothing is shed

# The pressure at which each priority is shed.
THRESHOLDS = tuple(START + (1 - START) * priority / (PRIORITIES - 1) for priority in range(PRIORITIES))


def shed_below(pressure: float, before: int) -> int:
    """The priority below which calls are shed: 0 sheds none, 10 all. `before` is what it was until now."""
    return max(bisect_right(THRESHOLDS, pressure), min(before, bisect_right(THRESHOLDS, pressure + MARGIN)))


def relief(priority: int) -> float:
    """The pressure below which calls of `priority`, once shed, are taken again."""
    return THRESHOLDS[priority] - MARGIN
