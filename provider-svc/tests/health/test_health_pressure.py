"""A target that says that it has too much to do is asked after the others, for as long as it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.health.outcome import Outcome
from provider_svc.health.pressure import LONGEST, LONGEST_HINTED, SHORTEST, Pressure


def refuse(target, now, hint=None, began=None):
    target.note_pressure(hint, now if began is None else began, now)


def test_a_hint_is_kept_and_the_target_admits_meanwhile(target):
    refuse(target, 100.0, hint=3.0)
    assert [target.is_well(now) for now in (100.0, 102.9, 103.0)] == [False, False, True]
    assert target.admits(100.0)
    assert (target.retry_at(101.0), target.well_at(101.0), target.well_at(104.0)) == (101.0, 103.0, 104.0)


@pytest.mark.parametrize(("hint", "seconds"), [(3_600.0, LONGEST_HINTED), (None, SHORTEST), (0.0, 0.0)])
def test_a_hint_is_bounded_and_at_once_is_no_pause(target, hint, seconds):
    """At once: another of its provider's keys may be tried."""
    refuse(target, 100.0, hint=hint)
    assert target.well_at(100.0) == 100.0 + seconds


def test_pauses_that_nobody_named_double_until_an_answer(target):
    now, pauses = 100.0, []
    for _ in range(9):
        refuse(target, now)
        pauses.append(target.well_at(now) - now)
        now = target.well_at(now)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST, LONGEST, LONGEST]
    target.note_first_byte(0.1, now + 1)
    refuse(target, now + 2)
    assert target.well_at(now + 2) == now + 2 + SHORTEST


def test_calls_that_began_before_a_refusal_say_the_same_as_it(target):
    """A burst is refused as one, and an answer on its way is none to it."""
    for _ in range(10):
        refuse(target, 100.0, began=99.0)
    assert target.well_at(100.0) == 100.0 + SHORTEST
    target.note_first_byte(1.2, 100.1)
    assert not target.is_well(100.1)


def test_an_answer_behind_a_refusal_ends_the_pause(target):
    refuse(target, 100.0, hint=30.0)
    target.note_first_byte(0.5, 101.0)
    assert target.is_well(101.0)


def test_what_fails_is_not_well_whatever_its_pressure(open_target):
    assert not open_target.is_well(100.0)
    assert open_target.well_at(100.0) == open_target.retry_at(100.0) == 102.0
    open_target.call(Outcome.ANSWERED, 102.0)
    assert open_target.is_well(102.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.one_of(st.none(), st.floats(0, 1e6)), st.booleans())))
def test_no_pause_is_longer_than_the_longest(steps):
    pressure, now = Pressure(), 0.0
    for seconds, hint, is_refused in steps:
        now += seconds
        if is_refused:
            pressure.note_refusal(hint, now, now)
        else:
            pressure.note_answer(now)
        assert pressure.until <= now + LONGEST_HINTED
