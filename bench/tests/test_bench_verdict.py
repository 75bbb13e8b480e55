"""The guard informs, and fails only beyond what noise reaches."""

import pytest

from bench.verdict import FACTOR, Costs, count_in, judge

LANDED = Costs(calibration=100.0, ratios={"unary": 5.0, "cached": 0.6})


def test_costs_are_counted_in_calibrations():
    costs = count_in(200.0, {"unary": 500.0, "cached": 50.0})
    assert costs.ratios == {"unary": 2.5, "cached": 0.25}


def test_a_machine_half_as_fast_costs_the_same():
    assert count_in(200.0, {"unary": 1000.0}).ratios == count_in(100.0, {"unary": 500.0}).ratios


def test_a_yardstick_without_length_measures_nothing():
    with pytest.raises(ValueError, match="no time"):
        count_in(0.0, {"unary": 1.0})


@pytest.mark.parametrize(("change", "exceeded"), [(0.1, []), (1.0, []), (FACTOR, []), (FACTOR * 1.01, ["unary"])])
def test_it_fails_only_beyond_the_factor(change, exceeded):
    now = Costs(calibration=100.0, ratios={"unary": 5.0 * change, "cached": 0.6})
    assert judge(now, LANDED).exceeded == exceeded


def test_figures_are_told_beside_the_last_landed_ones():
    now = Costs(calibration=120.0, ratios={"unary": 5.5})
    assert judge(now, LANDED).lines == [
        "calibration: 120 CPU-µs",
        "unary: 660 CPU-µs = 5.5 x calibration; last landed 5 (110% of it)",
    ]


@pytest.mark.parametrize("ratio", [2.0, 9.0])
def test_a_change_that_is_worth_landing_is_pointed_out(ratio):
    lines = judge(Costs(calibration=100.0, ratios={"unary": ratio}), LANDED).lines
    assert "UPDATE=1 lands it" in lines[1]


@pytest.mark.parametrize("landed", [None, Costs(calibration=100.0, ratios={})])
def test_what_never_landed_is_told_and_never_fails(landed):
    verdict = judge(Costs(calibration=100.0, ratios={"burst": 99.0}), landed)
    assert verdict.exceeded == []
    assert "never landed" in verdict.lines[1]
