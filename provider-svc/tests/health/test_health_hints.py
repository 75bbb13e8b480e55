"""What another replica says of a target: believed until this one knows better."""

import pytest

from provider_svc.health.breaker import State
from provider_svc.health.outcome import Outcome

ANSWERED, FAILED, NEUTRAL = Outcome.ANSWERED, Outcome.FAILED, Outcome.NEUTRAL


@pytest.fixture
def warned(target):
    """One of which another replica said at 100 s that its breaker is open until 105 s."""
    target.hear_open(105.0, 100.0)
    return target


def test_only_probes_go_where_another_replica_failed(warned):
    assert (warned.state(100.0), warned.admits(100.0)) == (State.OPEN, True)
    warned.enter(100.0)
    assert (warned.admits(100.0), warned.retry_at(100.0), warned.retry_at(104.0)) == (False, 102.0, 105.0)


def test_an_answer_is_believed_more_than_another_replica(warned):
    warned.call(ANSWERED, 101.0)
    assert (warned.state(101.0), warned.admits(101.0)) == (State.CLOSED, True)


def test_one_failure_confirms_it(warned):
    """The breaker is then open here, too, and that is told like any opening; the word itself is not passed on."""
    assert warned.told == []
    warned.call(FAILED, 101.0)
    assert (warned.state(101.0), warned.retry_at(101.0), warned.told) == (State.OPEN, 103.0, [2.0])


def test_a_probe_that_says_nothing_lets_the_next_one_go(warned):
    warned.call(NEUTRAL, 101.0, times=5)
    assert (warned.state(101.0), warned.admits(101.0)) == (State.OPEN, True)


def test_it_is_forgotten_in_time(warned):
    entry = warned.enter(104.0)
    assert (warned.state(105.0), warned.admits(105.0)) == (State.CLOSED, True)
    warned.leave(FAILED, 105.0, entry=entry)
    assert (warned.state(105.0), warned.told) == (State.CLOSED, [])


def test_no_word_holds_longer_than_the_longest_pause(target):
    """A replica whose clock is wrong, or who lies, costs this one at most that."""
    target.hear_open(float("inf"), 100.0)
    assert (target.state(107.9), target.state(108.0)) == (State.OPEN, State.CLOSED)


def test_a_shorter_word_takes_nothing_from_a_longer_one(warned):
    warned.hear_open(101.0, 100.0)
    warned.hear_open(50.0, 100.0)
    assert (warned.state(104.9), warned.state(105.0)) == (State.OPEN, State.CLOSED)


def test_failures_from_before_the_word_do_not_confirm_it(target):
    before = target.enter(99.0)
    target.hear_open(105.0, 100.0)
    target.leave(FAILED, 100.5, entry=before)
    assert target.told == []


def test_an_open_breaker_knows_already(open_target):
    """Neither is its pause lengthened, nor anything left of the word when it closes."""
    open_target.hear_open(108.0, 100.0)
    assert (open_target.retry_at(100.0), open_target.state(102.0)) == (102.0, State.HALF_OPEN)
    open_target.call(ANSWERED, 102.0)
    assert open_target.state(102.0) is State.CLOSED
