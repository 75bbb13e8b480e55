"""What a call needs of a model."""

import json

import msgspec
import pytest
from routing.candidates import candidate, route_of

from provider_svc.routing import needs_matter, read_needs


def needs_of(**body):
    return read_needs(msgspec.json.decode(json.dumps(body).encode(), type=dict[str, msgspec.Raw]))


@pytest.mark.parametrize("bound", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_what_may_be_written_needs_room_beside_what_is_read(bound):
    messages = [{"role": "user", "content": "x" * 4_000}]
    needs = needs_of(messages=messages, **{bound: 500})
    assert needs.may_write == 500
    assert 1_500 <= needs.tokens <= 1_530
    assert needs_of(messages=messages).tokens <= 1_030


def test_the_newer_bound_holds():
    assert needs_of(max_tokens=5, max_completion_tokens=7).may_write == 7


@pytest.mark.parametrize("bound", [None, -5, 1.5, "many", [], 10**12])
def test_a_bound_that_makes_no_sense_is_none(bound):
    assert needs_of(max_tokens=bound).may_write == 0
    assert needs_of(max_completion_tokens=bound, max_tokens=7).may_write == 7


def test_a_picture_is_not_counted_as_text():
    """A megabyte of base64 is no quarter of a million tokens."""
    needs = needs_of(messages=[{"role": "user", "content": [{"type": "image", "data": "QUJD" * 250_000}]}])
    assert needs.features == {"vision"}
    assert 1_000 <= needs.tokens <= 1_100


@pytest.mark.parametrize(
    ("target", "entry", "expected"),
    [
        ({}, {}, False),
        ({}, {"strategy": "sticky"}, False),
        ({"lacks": ["tools"]}, {}, True),
        ({"context_window": 8_000}, {}, True),
        ({}, {"strategy": "cheapest"}, True),
    ],
)
def test_needs_are_read_only_where_a_target_is_chosen_by_them(target, entry, expected):
    assert needs_matter(route_of([candidate("any"), candidate("one", **target)], **entry)) is expected
