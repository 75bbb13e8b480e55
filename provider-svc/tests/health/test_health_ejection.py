import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.providers import Breaker, Ejection
from provider_svc.health.breaker import State
from provider_svc.health.outcome import Outcome
from provider_svc.health.window import Window

ANSWERED, FAILED, PRESSURE, NEUTRAL = Outcome.ANSWERED, Outcome.FAILED, Outcome.PRESSURE, Outcome.NEUTRAL
SETTINGS = Ejection(share=0.5, calls=4, interval=10.0, pause=5.0)


@pytest.fixture
def target(make_target):
    return make_target(ejection=SETTINGS)


def fail_half(target, now):
    for outcome in (ANSWERED, FAILED, ANSWERED, FAILED):
        target.call(outcome, now)


def test_a_share_of_failures_ejects_it(target):
    """Its breaker would never open: no two failures follow each other."""
    fail_half(target, 100.0)
    assert (target.state(100.0), target.admits(104.9), target.retry_at(100.0)) == (State.EJECTED, False, 105.0)
    assert (target.state(105.0), target.admits(105.0), target.told) == (State.CLOSED, True, [5.0])


def test_a_smaller_share_does_not(target):
    for _ in range(50):
        target.call(ANSWERED, 100.0, times=2)
        target.call(FAILED, 100.0)
    assert (target.state(100.0), target.recent(100.0)) == (State.CLOSED, (150, 50))


def test_few_calls_say_nothing(target):
    target.call(FAILED, 100.0)
    target.call(ANSWERED, 100.0)
    target.call(FAILED, 100.0)
    assert target.state(100.0) is State.CLOSED


def test_pressure_is_not_counted(target):
    for _ in range(3):
        target.call(PRESSURE, 100.0, times=9)
        target.call(NEUTRAL, 100.0, times=9)
    target.call(FAILED, 100.0)
    assert (target.state(100.0), target.recent(100.0)) == (State.CLOSED, (1, 1))


def test_old_failures_are_forgotten(target):
    target.call(FAILED, 100.0)
    target.call(ANSWERED, 100.0)
    target.call(ANSWERED, 110.0)
    target.call(FAILED, 110.0)
    assert (target.state(110.0), target.recent(110.0), target.recent(120.0)) == (State.CLOSED, (2, 1), (0, 0))


def test_ejections_that_follow_each_other_are_longer_up_to_ten_times(target):
    now = 100.0
    for _ in range(12):
        fail_half(target, now)
        now = target.retry_at(now)
    assert target.told == [5.0 * times for times in (*range(1, 11), 10, 10)]


@pytest.mark.parametrize(("calm", "pause"), [(9.9, 15.0), (10.0, 10.0), (19.9, 10.0), (20.0, 5.0), (900.0, 5.0)])
def test_each_uneventful_interval_takes_one_back(target, calm, pause):
    fail_half(target, 100.0)
    fail_half(target, 105.0)
    fail_half(target, 115.0 + calm)
    assert target.told == [5.0, 10.0, pause]


def test_it_comes_back_with_an_empty_window(make_target):
    """Where the pause is shorter than the interval, the next failure would eject it for the old ones."""
    target = make_target(ejection=Ejection(share=0.5, calls=4, interval=60.0, pause=5.0))
    fail_half(target, 100.0)
    assert target.recent(104.0) == (4, 2)
    target.call(FAILED, 105.0)
    assert (target.state(105.0), target.recent(105.0)) == (State.CLOSED, (1, 1))


def test_what_opened_the_breaker_does_not_eject_it_afterwards(target):
    target.call(FAILED, 100.0, times=3)
    target.call(ANSWERED, 102.0)
    target.call(FAILED, 102.0)
    assert (target.state(102.0), target.recent(102.0), target.told) == (State.CLOSED, (2, 1), [2.0])


def test_an_open_breaker_is_not_ejected_as_well(target):
    target.call(FAILED, 100.0, times=30)
    assert (target.state(102.0), target.told) == (State.HALF_OPEN, [2.0])


def test_calls_that_began_before_the_ejection_do_not_count_after_it(target):
    before = [target.enter(100.0) for _ in range(50)]
    fail_half(target, 100.0)
    for entry in before:
        target.leave(FAILED, 106.0, entry=entry)
    assert (target.state(106.0), target.recent(106.0), target.running) == (State.CLOSED, (0, 0), 0)


def test_a_last_resort_neither_ends_nor_lengthens_an_ejection(target):
    fail_half(target, 100.0)
    target.call(ANSWERED, 101.0, times=9)
    target.call(FAILED, 101.0)
    assert (target.state(101.0), target.retry_at(101.0), target.told) == (State.EJECTED, 105.0, [5.0])


def test_last_resorts_that_fail_in_a_row_open_the_breaker_of_an_ejected_target(target):
    fail_half(target, 100.0)
    target.call(FAILED, 104.0, times=3)
    assert (target.state(104.0), target.retry_at(104.0)) == (State.OPEN, 106.0)
    assert (target.state(106.0), target.admits(106.0)) == (State.HALF_OPEN, True)


def test_a_share_that_is_met_exactly_ejects(make_target):
    """Seven of a hundred are 7 %, also in floating point."""
    target = make_target(Breaker(failures=1_000), Ejection(share=0.07, calls=100))
    target.call(ANSWERED, 100.0, times=93)
    target.call(FAILED, 100.0, times=7)
    assert target.state(100.0) is State.EJECTED


def test_no_pause_is_no_ejection(make_target):
    target = make_target(ejection=Ejection(share=0.5, calls=4, interval=0.0, pause=0.0))
    for _ in range(20):
        fail_half(target, 100.0)
    assert (target.state(100.0), target.admits(100.0), target.told) == (State.CLOSED, True, [])


@given(st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=80), st.floats(0, 20))
def test_a_window_counts_nothing_old_and_all_that_is_new(ends, idle):
    window, now, moments = Window(10.0), 1_000.0, []
    for gap, failed in ends:
        now += gap
        window.add(now, failed=failed)
        moments.append((now, failed))
    now += idle
    window.move(now)
    for counted, ended in (
        (window.calls, [moment for moment, _ in moments]),
        (window.failures, [moment for moment, failed in moments if failed]),
    ):
        assert sum(moment > now - 9.0 for moment in ended) <= counted <= sum(moment >= now - 10.0 for moment in ended)


def test_an_ejected_target_takes_whatever_nothing_else_can_answer(target):
    """It answers now and then: however much runs there."""
    for _ in range(100):
        target.enter(100.0)
    target.call(Outcome.ANSWERED, 100.0, times=2)
    target.call(Outcome.FAILED, 100.0, times=2)
    assert not target.admits(100.0)
    assert target.admits_resort(100.0)
