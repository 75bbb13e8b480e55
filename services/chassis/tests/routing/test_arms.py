"""Who is in which arm: by weight over many, the same for one, whatever else is configured."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.models import Arm, Experiment
from chassis.routing.arms import choose_arm, draw

names = st.text(min_size=1, max_size=20)
units = st.lists(st.text(max_size=20), min_size=1, max_size=3).map(tuple)


def experiment(*weights, name="prices"):
    arms = [Arm(name=f"arm{number}", use="m", weight=weight) for number, weight in enumerate(weights)]
    return Experiment(name=name, arms=arms)


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (1, 2, 3, 4), (0, 1, 1), (999_999, 1_000_000)])
def test_over_many_users_shares_are_the_weights(weights):
    many = 10_000
    chosen = Counter(
        choose_arm(experiment(*weights), ("user", "acme", f"user-{number}")).name for number in range(many)
    )
    for number, weight in enumerate(weights):
        expected = weight / sum(weights)
        assert chosen[f"arm{number}"] / many == pytest.approx(expected, abs=0.015)
    assert all(weight for number, weight in enumerate(weights) if chosen[f"arm{number}"])


@given(units, st.lists(st.integers(0, 1_000_000), min_size=2, max_size=16).filter(any))
def test_a_unit_stays_in_its_arm_and_never_in_one_without_weight(unit, weights):
    first, again = (choose_arm(experiment(*weights), unit) for _ in range(2))
    assert first == again
    assert first.weight > 0


@given(names, units)
def test_a_draw_is_a_number_from_0_up_to_1(name, unit):
    assert 0 <= draw(name, unit) < 1


@given(units, st.integers(1, 100), st.integers(1, 100))
def test_a_growing_first_arm_takes_units_and_gives_none_away(unit, weight, more):
    if choose_arm(experiment(weight, 100), unit).name == "arm0":
        assert choose_arm(experiment(weight + more, 100), unit).name == "arm0"


@given(st.tuples(names, units), st.tuples(names, units))
def test_two_units_or_experiments_are_never_one(one, other):
    if one != other:
        assert draw(*one) != draw(*other)


def test_the_same_users_are_divided_anew_by_another_experiment():
    users = [("user", "acme", f"user-{number}") for number in range(2_000)]
    both = sum(choose_arm(experiment(1, 1), user) == choose_arm(experiment(1, 1, name="tone"), user) for user in users)
    assert both / len(users) == pytest.approx(0.5, abs=0.05)
