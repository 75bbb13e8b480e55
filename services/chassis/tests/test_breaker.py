"""A breaker turns slow into down, and down into about nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.breaker import Breaker
from chassis.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock) -> Breaker:
    """One that has just opened."""
    breaker = Breaker(threshold=3, pause=2.0, clock=clock)
    for _ in range(3):
        breaker.failed()
    return breaker


def test_it_opens_at_the_threshold_and_not_before():
    breaker = Breaker(threshold=3, clock=FakeClock())
    breaker.failed()
    breaker.failed()
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()


def test_a_success_between_failures_starts_the_count_again():
    breaker = Breaker(threshold=2, clock=FakeClock())
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.admits()


def test_an_open_breaker_lets_one_probe_through_after_each_pause(breaker, clock):
    """Its fellows in the same instant are refused: a part that comes back is not met by a crowd."""
    assert not breaker.admits()
    for _ in range(3):
        clock.advance(2.0)
        assert [breaker.admits() for _ in range(5)] == [True, False, False, False, False]


def test_a_probe_that_succeeds_closes_it(breaker, clock):
    clock.advance(2.0)
    assert breaker.admits()
    breaker.succeeded()
    assert all(breaker.admits() for _ in range(5))


def test_a_probe_that_fails_waits_a_whole_pause_again(breaker, clock):
    clock.advance(2.0)
    assert breaker.admits()
    clock.advance(1.5)
    breaker.failed()
    clock.advance(1.0)
    assert not breaker.admits()
    clock.advance(1.0)
    assert breaker.admits()


def test_a_probe_that_never_comes_back_does_not_keep_it_open_for_good(breaker, clock):
    clock.advance(2.0)
    assert breaker.admits()
    clock.advance(2.0)
    assert breaker.admits()


@given(st.lists(st.floats(0, 0.5), max_size=200))
def test_while_everything_fails_at_most_one_call_a_pause_is_made(steps):
    clock = FakeClock()
    breaker = Breaker(threshold=5, pause=1.0, clock=clock)
    started, calls = clock.monotonic(), 0
    for seconds in steps:
        clock.advance(seconds)
        if breaker.admits():
            calls += 1
            breaker.failed()
    assert calls <= 5 + (clock.monotonic() - started)


def test_it_shows_its_state(breaker):
    assert repr(breaker) == "Breaker(open, 3 failures in a row)"
    breaker.succeeded()
    assert repr(breaker) == "Breaker(closed, 0 failures in a row)"
