from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.config.providers import Concurrency
from provider_svc.keys.limit import CALM, ENOUGH, Limit

FAR = 1_000.0


def limit_of(**settings):
    return Limit(Concurrency(**settings))


def steps():
    """Answers and refusals: whether refused, what runs, how long it took, how much later."""
    return st.lists(st.tuples(st.booleans(), st.integers(1, 500), st.floats(0, 100), st.floats(0, 100)), max_size=200)


@given(most=st.integers(1, 300), least=st.integers(1, 300), steps=steps())
def test_a_limit_never_leaves_its_bounds(most, least, steps):
    limit, now = limit_of(max=most, min=least), FAR
    for is_refused, running, seconds, pause in steps:
        now += pause
        before = limit.value
        if is_refused:
            limit.note_refusal(running, now - seconds, now)
            assert limit.value <= before
        else:
            limit.note_answer(running, now - seconds, now)
        assert min(least, most) <= limit.places <= most


@given(running=st.integers(1, 200), most=st.integers(1, 200))
def test_a_refusal_leaves_less_than_what_ran(running, most):
    limit = limit_of(max=most, min=1)
    limit.note_refusal(running, FAR - 1, FAR)
    assert limit.value <= max(1, 0.7 * running)


def test_the_refusals_of_one_burst_count_once():
    limit = limit_of(max=100, min=1)
    for running in range(100, 50, -1):
        limit.note_refusal(running, FAR, FAR + 1)
    assert limit.places == 70
    limit.note_refusal(70, FAR + 2, FAR + 3)
    assert limit.places == 49


def test_each_round_of_answers_adds_one_while_the_limit_is_used():
    limit = limit_of(max=100, min=1)
    limit.note_refusal(15, FAR, FAR + 1)
    assert limit.places == 10
    for _ in range(11):
        limit.note_answer(10, FAR + 1, FAR + 2)
    assert limit.places == 11
    for _ in range(1_000):
        limit.note_answer(5, FAR + 1, FAR + 2)
    assert limit.places == 11  # nobody needs more


@settings(max_examples=20)
@given(running=st.integers(1, 4_096), most=st.integers(1, 4_096))
def test_it_recovers_within_two_minutes_after_the_last_refusal(running, most):
    """Also where each answer takes half a minute: one refusal must not cost an hour."""
    limit = limit_of(max=most)
    limit.note_refusal(running, FAR, FAR)
    for now in (FAR + 30, FAR + 60, FAR + 90, FAR + 120):
        for _ in range(limit.places):
            limit.note_answer(limit.places, now - 30, now)
    assert limit.places == most


def test_it_grows_slowly_at_first_and_faster_in_the_calm():
    limit = limit_of(max=4_096, min=100)
    limit.note_refusal(1, FAR, FAR)
    grown = []
    for calm in (0, 1, 2):
        before = limit.value
        limit.note_answer(100, FAR, FAR + calm * CALM)
        grown.append(round((limit.value - before) * 100, 1))
    assert grown == [1.0, 2.0, 4.0]


def slow_down(limit, running, answers):
    """Answers within 0.1 s, then within 1 s, one each 100 ms."""
    now = FAR
    for number in range(ENOUGH + answers):
        now += 0.1
        limit.note_answer(running, now - (0.1 if number < ENOUGH else 1.0), now)


def test_a_provider_that_slows_down_is_given_less_at_a_bounded_pace():
    limit = limit_of(max=100, min=1)
    slow_down(limit, 100, 30)
    assert 70 <= limit.places <= 90


def test_slowness_means_nothing_while_the_limit_is_hardly_used():
    limit = limit_of(max=100, min=1)
    slow_down(limit, 50, 30)
    assert limit.places == 100


def test_a_limit_that_does_not_adapt_is_its_most():
    limit = limit_of(max=10, adaptive=False)
    limit.note_refusal(10, FAR, FAR)
    slow_down(limit, 10, 30)
    assert limit.places == 10
