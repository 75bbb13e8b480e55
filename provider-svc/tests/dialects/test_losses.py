"""What cannot be carried is told of or refused, as the route says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.losses import LONGEST, MOST, Losses, refusal


def test_a_strict_route_refuses_what_may_change_the_answer():
    losses = Losses(is_strict=True)
    with pytest.raises(RunestoneError) as caught:
        losses.lose("top_k", "leave it out")
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "top_k")
    assert str(caught.value.message) == "top_k: leave it out"
    assert losses.paths == ()


def test_any_other_route_leaves_it_out_and_tells():
    losses = Losses(is_strict=False)
    losses.lose("top_k", "leave it out")
    assert losses.paths == ("top_k",)


@pytest.mark.parametrize("is_strict", [True, False])
def test_a_hint_is_left_out_and_told_whatever_the_route_says(is_strict):
    losses = Losses(is_strict=is_strict)
    losses.drop("cache_control")
    assert losses.paths == ("cache_control",)


def test_each_is_told_once_in_the_order_in_which_it_was_met():
    losses = Losses(is_strict=False)
    for path in ("b", "a", "b", "c", "a"):
        losses.drop(path)
    assert losses.paths == ("b", "a", "c")


@given(st.lists(st.text(min_size=1, max_size=LONGEST * 2), max_size=MOST * 2))
def test_what_is_told_is_bounded(paths):
    """It travels in a header."""
    losses = Losses(is_strict=False)
    for path in paths:
        losses.lose(path, "cannot be carried")
    assert len(losses.paths) <= MOST
    assert all(len(path) <= LONGEST for path in losses.paths)


def test_more_than_can_be_told_is_still_refused():
    losses = Losses(is_strict=True)
    for i in range(MOST + 1):
        losses.drop(f"hint{i}")
    with pytest.raises(RunestoneError):
        losses.lose("top_k", "leave it out")


def test_what_is_malformed_names_its_member():
    error = refusal("messages[0].role", "no such role")
    assert (error.reason, error.param, error.message) == (Reason.INVALID_REQUEST, "messages[0].role", "no such role")
