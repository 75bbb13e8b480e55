import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing.candidates import FakeHealth

from chassis.config.catalog import Catalog, Route
from chassis.config.models import Model, Target
from chassis.config.providers import Provider
from chassis.errors import Reason, RunestoneError
from provider_svc.routing import Candidate, find_route, find_target_at, rank

PROVIDERS = [Provider(name="a", kind="simulated"), Provider(name="b", kind="simulated")]


def route(*weights):
    return Route("r", tuple(Target(provider="a", model=str(i), weight=weight) for i, weight in enumerate(weights)))


def find_target(route, draw, can=lambda target: True):
    """The target that is asked first, of those that `can`, on which `draw` falls."""
    candidates = [Candidate(target, FakeHealth(), can(target), lambda: None) for target in route.targets]
    return rank(route, candidates, None, b"", lambda: draw, 100.0).choices[0].target


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any), st.integers(0, 10_000))
def test_a_target_without_weight_is_never_chosen(weights, draw):
    assert find_target(route(*weights), draw / 10_001).weight > 0


def test_shares_are_the_weights():
    """Over a grid of draws each target comes up as often as its weight says, exactly."""
    chosen = [find_target(route(1, 0, 3), (i + 0.5) / 400).model for i in range(400)]
    assert (chosen.count("0"), chosen.count("1"), chosen.count("2")) == (100, 0, 300)


def test_who_has_to_answer_does_so_whatever_the_weights():
    targets = [Target(provider="a", model="x", weight=9), Target(provider="b", model="y", weight=0)]
    mixed = Route("r", (*targets, Target(provider="a", model="z", weight=10)))
    assert find_target_at(mixed, "r", "a").model == "z"
    assert find_target_at(mixed, "r", "b").model == "y"
    with pytest.raises(RunestoneError) as error:
        find_target_at(mixed, "r", "c")
    assert error.value.reason is Reason.INVALID_REQUEST


def test_names_find_their_targets():
    catalog = Catalog([Model(name="fast", targets=[Target(provider="b", model="m")])], PROVIDERS)
    assert find_route(catalog, "fast").targets == (Target(provider="b", model="m"),)
    assert find_route(catalog, "a/words=3,pace=1ms").targets == (Target(provider="a", model="words=3,pace=1ms"),)


@pytest.mark.parametrize("model", ["", "none", "nobody/m", "a/"])
def test_a_name_without_a_route_is_refused(model):
    with pytest.raises(RunestoneError) as error:
        find_route(Catalog([], PROVIDERS), model)
    assert error.value.reason is Reason.MODEL_NOT_FOUND


def test_a_route_without_weight_is_refused():
    with pytest.raises(RunestoneError):
        find_target(route(0, 0), 0.0)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.sets(st.integers(0, 5)), st.integers(0, 10_000))
def test_only_a_target_that_can_is_chosen(weights, able, draw):
    """Whatever the weights: where none that can weighs anything, the caller is told that it is the endpoint."""

    def can(target):
        return int(target.model) in able

    try:
        chosen = find_target(route(*weights), draw / 10_001, can)
    except RunestoneError as error:
        refused = Reason.MODEL_NOT_FOUND if able >= set(range(len(weights))) else Reason.INVALID_REQUEST
        assert (error.reason, [w for i, w in enumerate(weights) if i in able and w]) == (refused, [])  # noqa: PT017
    else:
        assert can(chosen)
        assert chosen.weight


def test_shares_among_those_that_can_are_their_weights():
    chosen = [find_target(route(1, 5, 3), (i + 0.5) / 400, lambda t: t.model != "1").model for i in range(400)]
    assert (chosen.count("0"), chosen.count("1"), chosen.count("2")) == (100, 0, 300)
