"""The order of targets, whatever the strategy."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing.candidates import NOW, FakeHealth, candidate, many, names_of, route_of

from chassis.errors import Reason, RunestoneError
from provider_svc.routing import Needs, explain, rank
from provider_svc.routing.strategies import STRATEGIES

any_strategy = st.sampled_from(sorted(STRATEGIES))
any_needs = st.sampled_from([None, Needs(frozenset(), 10), Needs(frozenset(), 1_000, 900)])


def ask(function, candidates, strategy, needs, seed):
    route = route_of(candidates, strategy=strategy)
    return function(route, candidates, needs, b"unit", random.Random(seed).random, NOW)


def can(one, needs):
    window = one.target.context_window
    return one.speaks and one.target.weight > 0 and not (needs and window and needs.tokens > window)


@given(many(), any_strategy, any_needs, st.integers())
def test_every_target_that_can_stands_exactly_once(candidates, strategy, needs, seed):
    """And all others are excluded, each with its reason."""
    able = {one.target.model for one in candidates if can(one, needs)}
    try:
        choices, excluded = ask(rank, candidates, strategy, needs, seed)
    except RunestoneError as error:
        assert not able
        assert error.reason in {Reason.INVALID_REQUEST, Reason.MODEL_NOT_FOUND}  # noqa: PT017
    else:
        assert sorted(choice.target.model for choice in choices) == sorted(able)
        assert all(why for _, why in excluded)
        assert len(choices) + len(excluded) == len(candidates)


@given(many(), any_strategy, st.integers())
def test_no_last_resort_stands_before_a_target_that_is_well(candidates, strategy, seed):
    """The well ones by priority, then the others by when they are back."""
    if not any(can(one, None) for one in candidates):
        return
    health = {one.target.model: one.health for one in candidates}
    choices = ask(rank, candidates, strategy, None, seed).choices
    well = [choice for choice in choices if health[choice.target.model].admits(NOW)]
    assert list(choices[: len(well)]) == well
    assert [choice.is_last_resort for choice in choices] == [False] * len(well) + [True] * (len(choices) - len(well))
    priorities = [choice.target.priority for choice in well]
    assert priorities == sorted(priorities)
    back = [health[choice.target.model].retry_at(NOW) for choice in choices[len(well) :]]
    assert back == sorted(back)


@given(many(), any_strategy, any_needs, st.integers())
def test_what_is_explained_is_what_is_done(candidates, strategy, needs, seed):
    explained = ask(explain, candidates, strategy, needs, seed)
    assert len(explained) == len(candidates)
    assert all(one.why for one in explained)
    eligible = [one.target for one in explained if one.is_eligible]
    if eligible:
        ranking = ask(rank, candidates, strategy, needs, seed)
        assert eligible == [choice.target for choice in ranking.choices]
        assert [(one.target, one.why) for one in explained[len(eligible) :]] == list(ranking.excluded)


def test_later_priorities_come_before_last_resorts():
    away = FakeHealth(at=NOW + 1)
    candidates = [candidate("first"), candidate("away", health=away), candidate("second", priority=1)]
    assert names_of(candidates) == ["first", "second", "away"]


@pytest.mark.parametrize(
    ("others", "why", "is_last_resort"),
    [
        ([], "only", False),
        ([candidate("mute", speaks=False)], "only", False),
        ([candidate("other", health=FakeHealth(at=NOW + 1))], "least_in_flight", False),
    ],
)
def test_a_choice_says_why_it_was_made(others, why, is_last_resort):
    candidates = [candidate("one"), *others]
    choices = ask(rank, candidates, "least_in_flight", None, 0).choices
    assert (choices[0].target.model, choices[0].why, choices[0].is_last_resort) == ("one", why, is_last_resort)


def test_the_only_target_is_a_last_resort_while_it_fails():
    choices = ask(rank, [candidate(health=FakeHealth(at=NOW + 1))], "weighted", None, 0).choices
    assert [(choice.why, choice.is_last_resort) for choice in choices] == [("only", True)]


def test_without_anything_that_sticks_stickiness_is_chance():
    candidates = [candidate("a"), candidate("b")]
    route = route_of(candidates, strategy="sticky")
    assert rank(route, candidates, None, b"", lambda: 0.9, NOW).choices[0][1:] == ("weighted", False)
    assert names_of(candidates, 0.9, strategy="sticky") == ["b", "a"]


def test_what_has_too_much_to_do_is_asked_behind_what_is_well_and_before_what_fails():
    """Whatever its priority; of several the one that is relaxed the soonest."""
    failing, busy = FakeHealth(at=NOW + 1), FakeHealth(relaxed=NOW + 9)
    candidates = [
        candidate("failing", health=failing),
        candidate("busy", health=busy),
        candidate("less busy", health=FakeHealth(relaxed=NOW + 3), priority=1),
        candidate("well", priority=2),
    ]
    assert names_of(candidates) == ["well", "less busy", "busy", "failing"]
