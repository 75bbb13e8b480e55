"""What each strategy promises."""

from collections import Counter
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing.candidates import FakeHealth, candidate, names_of, priced

from provider_svc.routing import Needs


def weights(*numbers, **options):
    return [candidate(str(place), weight=weight, **options) for place, weight in enumerate(numbers)]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_first_places_are_shared_by_weight(numbers):
    """Exactly, over a grid of draws that has a point for each unit of weight."""
    total = sum(numbers)
    firsts = Counter(names_of(weights(*numbers), (point + 0.5) / total)[0] for point in range(total))
    assert [firsts[str(place)] for place in range(len(numbers))] == numbers


@pytest.mark.parametrize("strategy", ["weighted", "least_in_flight", "cheapest", "sticky"])
def test_second_places_are_shared_by_the_weights_of_the_rest(strategy):
    """So are ties of strategies that look at something else."""
    numbers, grid = (1, 2, 3), 60  # 60 can be divided by 6, and by what is left when one of them is gone
    candidates, orders = weights(*numbers), Counter()
    for one, other in product(range(grid), repeat=2):
        lots = (one + 0.5) / grid, (other + 0.5) / grid
        orders[tuple(names_of(candidates, *lots, strategy=strategy))] += 1
    for order, count in orders.items():
        first, second = (numbers[int(name)] for name in order[:2])
        assert Fraction(count, grid * grid) == Fraction(first, 6) * Fraction(second, 6 - first)
    assert len(orders) == 6


def test_the_least_in_flight_goes_first_for_its_weight():
    busy = [candidate("even", weight=4, health=FakeHealth(8)), candidate("full", health=FakeHealth(3))]
    assert names_of([*busy, candidate("idle", health=FakeHealth(1))], strategy="least_in_flight") == [
        "idle",
        "even",
        "full",
    ]


def waiting(name, seconds, running=0, weight=1):
    return candidate(name, weight=weight, health=FakeHealth(running, seconds))


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_of_two_the_sooner_one_is_asked_first(one, other):
    """Its first byte for each call that would run there, by weight."""
    for sooner, later in [
        (waiting("sooner", 0.2), waiting("later", 0.3)),
        (waiting("sooner", 0.3, running=1), waiting("later", 0.2, running=3)),
        (waiting("sooner", 0.3, running=3, weight=2), waiting("later", 0.2, running=3)),
    ]:
        assert names_of([later, sooner], one, other, 0.1, strategy="peak_ewma") == ["sooner", "later"]


def test_the_slowest_of_many_is_never_first_and_the_quickest_not_always():
    """Two are drawn, each pair as often, and the better one goes first; behind it the quickest."""
    candidates = [waiting(str(place), 0.1 * (place + 1)) for place in range(4)]
    firsts = Counter()
    for one, other in product(range(12), repeat=2):
        lots = (0, 0, 0, 0, (one + 0.5) / 12, (other + 0.5) / 12)  # four for ties
        order = names_of(candidates, *lots, strategy="peak_ewma")
        assert order[1:] == sorted(order[1:])
        firsts[order[0]] += 1
    assert firsts == {"0": 72, "1": 48, "2": 24}


def test_who_has_never_answered_is_tried_by_one_call():
    """Until its first answer begins, others are asked; when all are new, the one with the fewest calls."""
    assert names_of([waiting("known", 0.01), waiting("new", None)], strategy="peak_ewma")[0] == "new"
    assert names_of([waiting("known", 9, 50), waiting("new", None, 1)], strategy="peak_ewma")[0] == "known"
    assert names_of([waiting("b", None, 2), waiting("a", None, 1)], strategy="peak_ewma")[0] == "a"


def test_the_cheapest_goes_first_and_an_unknown_price_last():
    candidates = [candidate("unknown"), candidate("dear", rates=priced(5)), candidate("cheap", rates=priced(1))]
    assert names_of(candidates, strategy="cheapest") == ["cheap", "dear", "unknown"]


def test_what_is_cheaper_depends_on_what_is_asked():
    """A long question at who reads cheaply, a long answer at who writes cheaply; a bound alone makes no answer long."""
    reads, writes = priced(1), priced(1)
    reads.tariffs[0].output, writes.tariffs[0].input = 10 * 10**9, 2 * 10**9
    candidates = [candidate("reads", rates=reads), candidate("writes", rates=writes)]
    for needs, cheap in [
        (Needs(frozenset(), 50_000), "reads"),
        (Needs(frozenset(), 100), "writes"),
        (Needs(frozenset(), 100_000 + 32_000, 32_000), "reads"),
        (Needs(frozenset(), 100 + 1, 1), "reads"),
    ]:
        assert names_of(candidates, needs=needs, strategy="cheapest")[0] == cheap


UNITS = [place.to_bytes(4) * 8 for place in range(2_000)]


def owners(candidates):
    return {unit: names_of(candidates, unit=unit, strategy="sticky")[0] for unit in UNITS}


def test_units_are_shared_by_weight():
    """About: the units are fixed, so that this is no matter of luck."""
    shares = Counter(owners(weights(1, 2, 5)).values())
    assert [shares[name] / len(UNITS) for name in "012"] == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.03)


def test_a_target_that_goes_moves_its_own_units_only():
    before, after = owners(weights(1, 2, 1, 1)), owners(weights(1, 2, 1))
    assert all(after[unit] == before[unit] for unit in UNITS if before[unit] != "3")
    assert Counter(before.values())["3"] / len(UNITS) == pytest.approx(1 / 5, abs=0.03)


@given(st.binary(min_size=1, max_size=64), st.lists(st.integers(1, 9), min_size=2, max_size=6), st.randoms())
def test_a_unit_has_one_order_wherever_it_is_asked(unit, numbers, chance):
    """Whatever the order in the configuration, the lots, and what runs. One that fails leaves the order of the others as it is."""
    candidates = weights(*numbers)
    order = names_of(candidates, 0.1, unit=unit, strategy="sticky")
    chance.shuffle(candidates)
    busy = [candidate(one.target.model, weight=one.target.weight, health=FakeHealth(7, 1.0)) for one in candidates]
    assert names_of(busy, 0.9, unit=unit, strategy="sticky") == order
    away = [
        candidate(one.target.model, weight=one.target.weight, health=FakeHealth(at=999 if name == order[0] else 0))
        for one in candidates
        for name in [one.target.model]
    ]
    assert names_of(away, unit=unit, strategy="sticky") == [*order[1:], order[0]]


@given(st.binary(min_size=1, max_size=64), st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 8))
def test_more_weight_never_loses_a_unit(unit, numbers, more):
    owner = int(names_of(weights(*numbers), unit=unit, strategy="sticky")[0])
    numbers[owner] += more
    assert names_of(weights(*numbers), unit=unit, strategy="sticky")[0] == str(owner)
