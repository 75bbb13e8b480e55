"""Figures mean what their columns say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Row, added_milliseconds, quantile
from bench.startup import sum_imports


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.505, 51), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_quantile_is_the_nearest_rank(share, expected):
    assert quantile(list(range(100, 0, -1)), share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_quantile_is_a_value_that_was_seen_and_enough_do_not_exceed_it(values, share):
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) <= share * len(values) + 1e-6


def test_a_quantile_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_what_a_gateway_adds_is_taken_at_the_same_quantile_of_both():
    assert added_milliseconds([0.003, 0.004, 0.010], [0.001, 0.002, 0.003], 0.5) == pytest.approx(2.0)
    assert added_milliseconds([0.003, 0.004, 0.010], [0.001, 0.002, 0.003], 0.99) == pytest.approx(7.0)


def test_nothing_is_added_to_what_was_not_measured():
    assert added_milliseconds([0.003], [], 0.5) is None
    assert added_milliseconds([], [0.003], 0.5) is None


def test_the_middle_of_the_rounds_ignores_one_that_was_disturbed():
    row = Row(name="x")
    for value in (500.0, 900.0, 510.0):
        row.add("unary µs", value)
    assert row.middle("unary µs") == 510.0
    assert row.middle("cached µs") is None


def test_imports_are_counted_once_each():
    """The cumulative column holds the others again; a program's own output may hold anything."""
    report = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       120 |        120 |   _io\n"
        "import time:      1000 |       1120 | io\n"
        "usage: x [-h] | 5\n"
        "import time:         7 |          7 | zipimport\n"
    )
    assert sum_imports(report) == 1127
