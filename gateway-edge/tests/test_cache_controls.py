"""What clients say about the cache, and whether a kept answer is fresh enough for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from gateway_edge.caching.controls import ANY_AGE, Controls, read_field, read_header
from gateway_edge.caching.freshness import Spans, Verdict, age_of, judge
from runestone.cache.v1.cache_pb2 import Answer


@pytest.mark.parametrize(
    ("header", "controls"),
    [
        ("no-cache", Controls(no_cache=True)),
        ("No-Store, max-age=7", Controls(no_store=True, max_age=7.0)),
        ("max-age=word", Controls()),
        ("max-age=-1", Controls()),
        ('max-age="9"', Controls(max_age=9.0)),
        ("max-stale", Controls(max_stale=ANY_AGE)),
        ("max-stale=60, min-fresh=3", Controls(max_stale=60.0, min_fresh=3.0)),
        ("only-if-cached,,  private, =, x=y", Controls(only_if_cached=True)),
        ("max-age=99999999999999999999", Controls(max_age=999_999_999.0)),
        ("", Controls()),
    ],
)
def test_the_header(header, controls):
    assert read_header(header) == controls


@given(st.text())
def test_no_header_breaks_it(header):
    assert isinstance(read_header(header), Controls)


def test_a_header_adds_to_what_the_body_says():
    both = read_header("max-age=5", read_field({"namespace": "n", "ttl": 60}))
    assert both == Controls(max_age=5.0, namespace="n", ttl=60.0)


@pytest.mark.parametrize(
    ("field", "controls"),
    [
        (None, Controls()),
        ({}, Controls()),
        ({"no-cache": True}, Controls(no_cache=True)),
        ({"no-store": True, "no-cache": False}, Controls(no_store=True)),
        ({"ttl": 300, "s-maxage": 600}, Controls(ttl=300.0, max_age=600.0)),
        ({"use-cache": True, "namespace": "team"}, Controls(uses_cache=True, namespace="team")),
    ],
)
def test_litellms_field(field, controls):
    assert read_field(field) == controls


@pytest.mark.parametrize(
    ("field", "param"),
    [
        (True, "cache"),
        ([], "cache"),
        ({"type": "ephemeral"}, "cache.type"),
        ({"ttl": "60"}, "cache.ttl"),
        ({"ttl": -1}, "cache.ttl"),
        ({"ttl": True}, "cache.ttl"),
        ({"ttl": 1e12}, "cache.ttl"),
        ({"no-cache": 1}, "cache.no-cache"),
        ({"namespace": 5}, "cache.namespace"),
        ({"namespace": "x" * 257}, "cache.namespace"),
    ],
)
def test_a_wish_that_is_not_known_is_refused_not_passed_over(field, param):
    with pytest.raises(RunestoneError) as refusal:
        read_field(field)
    assert (refusal.value.reason, refusal.value.param) == (Reason.INVALID_REQUEST, param)


SPANS = Spans(while_revalidating=10.0, if_error=30.0)
FRESH, REVALIDATE, SPARE = Verdict.FRESH, Verdict.REVALIDATE, Verdict.SPARE
UNWANTED, OVER = Verdict.UNWANTED, Verdict.OVER


def kept(fresh_for: float = 60.0) -> Answer:
    answer = Answer()
    answer.stored_at.FromSeconds(1_000_000)
    answer.fresh_for.FromMicroseconds(int(fresh_for * 1e6))
    return answer


@pytest.mark.parametrize(
    ("age", "controls", "verdict"),
    [
        (0, Controls(), FRESH),
        (59.9, Controls(), FRESH),
        (60, Controls(), REVALIDATE),
        (70, Controls(), REVALIDATE),
        (70.1, Controls(), SPARE),
        (90, Controls(), SPARE),
        (90.1, Controls(), OVER),
        (20, Controls(max_age=19), UNWANTED),
        (0, Controls(max_age=0), UNWANTED),
        (65, Controls(max_age=19), UNWANTED),
        (65, Controls(max_stale=5), FRESH),
        (1e6, Controls(max_stale=ANY_AGE), FRESH),
        (50, Controls(min_fresh=9), FRESH),
        (52, Controls(min_fresh=9), UNWANTED),
        (62, Controls(min_fresh=9), SPARE),
        (95, Controls(max_stale=5), OVER),
    ],
)
def test_what_may_be_done_with_an_answer(age, controls, verdict):
    assert judge(kept(), age, controls, SPANS) is verdict


def test_a_clock_that_stepped_back_makes_nothing_younger_than_new():
    assert age_of(kept(), 999_000.0) == 0
    assert age_of(kept(), 1_000_003.5) == 3.5
