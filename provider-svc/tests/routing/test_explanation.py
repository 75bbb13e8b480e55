"""What people are told of an order."""

import pytest
from routing.candidates import NOW, FakeHealth, candidate, priced, route_of

from provider_svc.routing import Needs, explain

NEEDS = Needs(frozenset({"vision"}), 1_000)


def whys(candidates, **entry):
    route = route_of(candidates, **entry)
    return {one.target.model: one.why for one in explain(route, candidates, NEEDS, b"unit", lambda: 0.0, NOW)}


@pytest.mark.parametrize(
    ("strategy", "why", "why_other"),
    [
        ("weighted", "weight 9 of 10", "weight 1 of 10"),
        ("least_in_flight", "3 in flight, weight 9 of 10", "0 in flight, weight 1 of 10"),
        ("peak_ewma", "first byte 0.42 s x 4 in flight with this one, weight 9 of 10", "no answer seen yet, weight 1 of 10"),
        ("cheapest", "about $0.0015", "its price is not known"),
    ],
)  # fmt: skip
def test_each_strategy_shows_its_numbers(strategy, why, why_other):
    one = candidate("one", weight=9, health=FakeHealth(3, 0.42), rates=priced(1))
    assert whys([one, candidate("other")], strategy=strategy) == {"one": why, "other": why_other}


@pytest.mark.parametrize("by", ["user", "conversation"])
def test_stickiness_says_whose_a_unit_is(by):
    said = list(whys([candidate("a"), candidate("b")], strategy="sticky", sticky_by=by).values())
    assert said == [f"sticky: owns this {by}", f"sticky: next for this {by}"]


def test_priorities_failures_and_obstacles_are_told():
    candidates = [
        candidate("first"),
        candidate("later", priority=1, weight=2),
        candidate("too", priority=1),
        candidate("away", health=FakeHealth(at=NOW + 1.25)),
        candidate("blind", lacks=["vision"]),
    ]
    assert whys(candidates) == {
        "first": "priority 0: the only one that is well",
        "later": "priority 1: weight 2 of 3",
        "too": "priority 1: weight 1 of 3",
        "away": "left alone after failures, opens again in 1.2 s: a last resort",
        "blind": "does not take images",
    }


def test_a_call_that_nobody_can_take_is_explained_too():
    assert whys([candidate("blind", lacks=["vision"]), candidate("light", weight=0)]) == {
        "blind": "does not take images",
        "light": "weight 0",
    }


def test_an_answer_that_is_awaited_is_said():
    new = candidate("new", health=FakeHealth(2))
    assert whys([new, candidate("b")], strategy="peak_ewma")["new"].startswith("its first answer is awaited, 2 in")
