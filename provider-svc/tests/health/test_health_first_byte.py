from math import ceil, exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.health.first_byte import FirstBytes

SECONDS = st.floats(0.001, 60)
GAPS = st.floats(0, 30)


def filled(times):
    first_bytes = FirstBytes()
    for seconds in times:
        first_bytes.add(seconds, 0.0)
    return first_bytes


def test_nothing_is_known_before_the_first_answer():
    assert FirstBytes().mean(5.0) is None


def test_the_mean_jumps_up_to_a_peak_at_once():
    first_bytes = filled([0.1] * 50)
    first_bytes.add(3.0, 0.0)
    assert first_bytes.mean(0.0) == 3.0


def test_a_peak_fades_to_a_third_within_ten_seconds():
    """Also while nothing is asked, so that a target that was slow gets another chance."""
    assert filled([2.0]).mean(10.0) == pytest.approx(2.0 / 2.71828, rel=1e-4)


def test_quick_answers_take_the_mean_down_slowly():
    first_bytes = filled([2.0])
    first_bytes.add(0.1, 1.0)
    assert first_bytes.mean(1.0) == pytest.approx(0.1 + 1.9 * exp(-0.1))
    for second in range(2, 100):
        first_bytes.add(0.1, float(second))
    assert first_bytes.mean(99.0) == pytest.approx(0.1, rel=0.01)


@given(st.lists(st.tuples(SECONDS, GAPS), min_size=1, max_size=50), GAPS)
def test_the_mean_is_between_the_last_time_and_the_slowest(answers, idle):
    first_bytes, now = FirstBytes(), 0.0
    for number, (seconds, gap) in enumerate(answers, start=1):
        now += gap
        first_bytes.add(seconds, now)
        slowest = max(seconds for seconds, _ in answers[:number])
        assert seconds * (1 - 1e-9) <= first_bytes.mean(now) <= slowest * (1 + 1e-9)
    assert first_bytes.mean(now + idle) == pytest.approx(first_bytes.mean(now) * exp(-idle / 10))


def test_nineteen_answers_have_no_p95():
    assert filled([0.1] * 19).p95 is None
    assert filled([0.1] * 20).p95 == 0.1


@given(st.lists(SECONDS, min_size=20, max_size=300))
def test_p95_is_that_of_the_last_128(times):
    last = sorted(times[-128:])
    assert filled(times).p95 == last[ceil(0.95 * len(last)) - 1]


@given(st.lists(SECONDS, min_size=20, max_size=200))
def test_p95_is_at_most_fifteen_answers_old(times):
    """It is read for every call that may be hedged, and sorting each time would cost more than the hedge is worth."""
    first_bytes, seen, asked = FirstBytes(), [], None
    for number, seconds in enumerate(times, start=1):
        first_bytes.add(seconds, 0.0)
        kept = sorted(times[max(0, number - 128) : number])
        seen.append(kept[ceil(0.95 * len(kept)) - 1])
        asked = first_bytes.p95
        if number >= 20:
            assert asked in seen[max(19, number - 16) :]


def test_p95_follows_when_a_target_slows_down():
    first_bytes = filled([0.1] * 128)
    assert first_bytes.p95 == 0.1
    for _ in range(16):
        first_bytes.add(5.0, 1.0)
    assert first_bytes.p95 == 5.0
