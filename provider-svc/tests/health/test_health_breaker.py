import pytest

from chassis.config.providers import Breaker
from chassis.errors import Reason
from provider_svc.health.breaker import LAST_RESORTS, State
from provider_svc.health.outcome import Outcome

ANSWERED, FAILED, PRESSURE, NEUTRAL = Outcome.ANSWERED, Outcome.FAILED, Outcome.PRESSURE, Outcome.NEUTRAL


def test_failures_in_a_row_open_it(target):
    target.call(FAILED, 100.0, times=2)
    assert (target.state(100.0), target.admits(100.0)) == (State.CLOSED, True)
    target.call(FAILED, 100.0)
    assert (target.state(100.0), target.admits(100.0), target.retry_at(100.0)) == (State.OPEN, False, 102.0)
    assert target.told == [2.0]


def test_an_answer_in_between_begins_the_row_anew(target):
    for _ in range(10):
        target.call(FAILED, 100.0, times=2)
        target.call(ANSWERED, 100.0)
    assert target.state(100.0) is State.CLOSED


@pytest.mark.parametrize("outcome", [PRESSURE, NEUTRAL])
def test_pressure_neither_opens_nor_ends_a_row(target, outcome):
    """A target that refuses some with 429 and fails the rest is not well."""
    target.call(outcome, 100.0, times=50)
    target.call(FAILED, 100.0, times=2)
    target.call(outcome, 100.0, times=50)
    assert target.state(100.0) is State.CLOSED
    target.call(FAILED, 100.0)
    assert target.state(100.0) is State.OPEN


def test_after_its_pause_it_admits_its_probes_and_no_more(make_target):
    target = make_target(Breaker(failures=1, pause=2.0, probes=2))
    target.call(FAILED, 100.0)
    assert (target.state(101.9), target.admits(101.9)) == (State.OPEN, False)
    for _ in range(2):
        assert (target.state(102.0), target.admits(102.0), target.retry_at(102.0)) == (State.HALF_OPEN, True, 102.0)
        target.enter(102.0)
    assert (target.admits(102.0), target.retry_at(102.0)) == (False, 104.0)


def test_the_first_answer_closes_it(open_target):
    open_target.call(ANSWERED, 102.0)
    assert open_target.state(102.0) is State.CLOSED
    open_target.call(FAILED, 103.0, times=2)
    assert open_target.state(103.0) is State.CLOSED


def test_each_failed_probe_doubles_the_pause_up_to_its_bound(open_target):
    now, told = 102.0, [2.0]
    for pause in (4.0, 8.0, 8.0):
        open_target.call(FAILED, now)
        assert (open_target.state(now), open_target.retry_at(now)) == (State.OPEN, now + pause)
        told.append(pause)
        now += pause
    open_target.call(ANSWERED, now)
    open_target.call(FAILED, now, times=3)
    assert open_target.retry_at(now) == now + 2.0
    assert open_target.told == [*told, 2.0]


@pytest.mark.parametrize("outcome", [PRESSURE, NEUTRAL])
def test_a_probe_that_says_nothing_gives_its_place_back(open_target, outcome):
    entry = open_target.enter(102.0)
    assert not open_target.admits(102.0)
    open_target.leave(outcome, 103.0, entry=entry)
    assert (open_target.state(103.0), open_target.admits(103.0)) == (State.HALF_OPEN, True)


def test_calls_that_began_before_it_opened_change_nothing_when_they_fail(target):
    """A hundred calls that time out a minute later are one outage, not a hundred."""
    before = [target.enter(100.0) for _ in range(100)]
    target.call(FAILED, 100.0, times=3)
    for entry in before[:50]:
        target.leave(FAILED, 101.0, entry=entry)
    assert target.retry_at(101.0) == 102.0
    target.call(ANSWERED, 102.0)
    for entry in before[50:]:
        target.leave(FAILED, 103.0, entry=entry)
    assert (target.state(103.0), target.told, target.running) == (State.CLOSED, [2.0], 0)


def test_calls_that_began_before_it_opened_do_not_close_it(target):
    """A long stream that comes to its end says how the target was when it began."""
    before = target.enter(50.0)
    target.call(FAILED, 100.0, times=3)
    target.leave(ANSWERED, 100.5, entry=before)
    assert target.state(100.5) is State.OPEN


def test_a_probe_of_an_earlier_try_takes_no_place_of_a_later_one(make_target):
    target = make_target(Breaker(failures=1, pause=2.0, probes=2))
    target.call(FAILED, 100.0)
    late = target.enter(102.0)
    target.call(FAILED, 102.0)
    entries = [target.enter(106.0), target.enter(106.0)]
    target.leave(NEUTRAL, 106.0, entry=late)
    assert not target.admits(106.0)
    target.leave(NEUTRAL, 106.0, entry=entries[0])
    assert target.admits(106.0)


def test_two_probes_that_fail_together_double_the_pause_once(make_target):
    target = make_target(Breaker(failures=1, pause=2.0, probes=2))
    target.call(FAILED, 100.0)
    for entry in [target.enter(102.0), target.enter(102.0)]:
        target.leave(FAILED, 102.0, entry=entry)
    assert (target.retry_at(102.0), target.told) == (106.0, [2.0, 4.0])


def test_a_last_resort_that_is_answered_closes_it(open_target):
    open_target.call(ANSWERED, 101.0)
    assert (open_target.state(101.0), open_target.admits(101.0)) == (State.CLOSED, True)


def test_a_last_resort_that_fails_leaves_the_pause_as_it_is(open_target):
    open_target.call(FAILED, 101.0, times=20)
    assert (open_target.state(101.0), open_target.retry_at(101.0), open_target.told) == (State.OPEN, 102.0, [2.0])


def test_a_last_resort_beside_a_probe_takes_no_place(open_target):
    probe, last_resort = open_target.enter(102.0), open_target.enter(102.0)
    open_target.leave(FAILED, 102.0, entry=last_resort)
    assert (open_target.state(102.0), open_target.admits(102.0)) == (State.HALF_OPEN, False)
    open_target.leave(NEUTRAL, 102.0, entry=probe)
    assert open_target.admits(102.0)


def test_who_kept_no_entry_is_taken_for_a_call_of_now(open_target):
    open_target.enter(102.0)
    open_target.leave(FAILED, 102.0, Reason.PROVIDER_TIMEOUT)
    assert (open_target.retry_at(102.0), open_target.last_failure) == (106.0, Reason.PROVIDER_TIMEOUT)
    open_target.enter(106.0)
    open_target.leave(ANSWERED, 106.0)
    assert (open_target.state(106.0), open_target.last_failure) == (State.CLOSED, Reason.PROVIDER_TIMEOUT)


def test_it_shows_its_numbers(open_target):
    open_target.enter(102.0)
    assert repr(open_target) == (
        "TargetHealth(p/m, 1 running, TargetBreaker(open, 3 failures in a row, 1 probes, epoch 1), "
        "Ejector(3/3 failed, 0 ejections in a row))"
    )


def test_last_resorts_are_bounded_whatever_ran_before_it_opened(target):
    """Streams that go on are nobody's last resort; those that are give their places back, whenever they end."""
    for _ in range(100):
        target.enter(100.0)
    target.call(Outcome.FAILED, 100.0, times=3)
    entries = []
    while target.admits_resort(101.0):
        entries.append(target.enter(101.0))
    assert len(entries) == LAST_RESORTS
    target.leave(Outcome.FAILED, 101.0, entry=entries.pop())
    assert target.admits_resort(101.0)
    target.call(Outcome.FAILED, 102.0)  # a probe: a new epoch
    for entry in entries:
        target.leave(Outcome.NEUTRAL, 103.0, entry=entry)
    for _ in range(LAST_RESORTS):
        assert target.admits_resort(103.0)
        target.enter(103.0)
    assert not target.admits_resort(103.0)
