"""Which priorities are shed at which pressure."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway_edge.protection.shedding import CALM, MARGIN, PRIORITIES, THRESHOLDS, relief, shed_below

pressures = st.floats(0, 3)
levels = st.integers(0, PRIORITIES)


@pytest.mark.parametrize(
    ("pressure", "level"), [(0, 0), (0.79, 0), (0.8, 1), (0.9, 5), (0.92, 6), (0.98, 9), (1.0, 10), (7.5, 10)]
)
def test_one_priority_after_the_other_is_shed(pressure: float, level: int) -> None:
    assert shed_below(pressure, 0) == level


@given(pressures, pressures, levels)
def test_more_pressure_never_sheds_less(one: float, other: float, before: int) -> None:
    low, high = sorted((one, other))
    assert shed_below(low, before) <= shed_below(high, before)


@given(pressures, levels)
def test_what_pressure_demands_is_shed_at_once(pressure: float, before: int) -> None:
    level = shed_below(pressure, before)
    assert all((pressure >= threshold) <= (priority < level) for priority, threshold in enumerate(THRESHOLDS))


@given(pressures, levels)
def test_the_same_pressure_again_changes_nothing(pressure: float, before: int) -> None:
    level = shed_below(pressure, before)
    assert shed_below(pressure, level) == level


@given(pressures, levels, st.floats(-MARGIN, MARGIN).map(lambda change: change * 0.99))
def test_shedding_does_not_end_before_pressure_fell_by_the_margin(pressure: float, before: int, change: float) -> None:
    level = shed_below(pressure, before)
    assert shed_below(pressure + min(change, 0), level) >= shed_below(pressure, 0)


@given(levels)
def test_without_pressure_shedding_ends(before: int) -> None:
    assert shed_below(CALM - 1e-9, before) == 0


@given(st.integers(0, PRIORITIES - 1))
def test_a_priority_is_taken_again_where_it_is_said(priority: int) -> None:
    assert shed_below(relief(priority) - 1e-9, PRIORITIES) <= priority
    assert shed_below(relief(priority) + 1e-9, PRIORITIES) > priority
