"""Which limit a descriptor matches."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.rate_domains import RateDescriptor
from ratelimit_svc.envoy.rules import Level

MESSAGING = [
    {"key": "kind", "value": "ad", "descriptors": [{"key": "to", "rate_limit": {"unit": "day", "requests_per_unit": 5}}]},
    {"key": "to", "rate_limit": {"unit": "day", "requests_per_unit": 100}},
    {"key": "to", "value": "50*", "rate_limit": {"unit": "hour", "requests_per_unit": 50}},
    {"key": "to", "value": "5*0", "rate_limit": {"unit": "hour", "requests_per_unit": 51}},
    {"key": "to", "value": "500", "rate_limit": {"unit": "hour", "requests_per_unit": 0, "name": "nobody"}},
    {"key": "to", "value": "free", "rate_limit": {"unlimited": True}},
    {"key": "path", "value": "/a/*/b", "descriptors": [{"key": "x", "rate_limit": {"unit": "second", "requests_per_unit": 1}}]},
    {"key": "path", "rate_limit": {"unit": "second", "requests_per_unit": 2}},
    {"key": "let", "value": "through"},
]  # fmt: skip


def level(descriptors):
    return Level(msgspec.convert(descriptors, list[RateDescriptor]))


@pytest.mark.parametrize(
    ("entries", "requests"),
    [
        ([("kind", "ad"), ("to", "1")], 5),
        ([("to", "1")], 100),
        ([("to", "501")], 50),
        ([("to", "500")], 0),
        ([("to", "550")], 51),
        ([("to", "")], 100),
        ([("kind", "ad")], "nothing"),
        ([("kind", "other"), ("to", "1")], "nothing"),
        ([("to", "1"), ("to", "1")], "nothing"),
        ([("kind", "ad"), ("to", "1"), ("to", "1")], "nothing"),
        ([("to_5", "00")], "nothing"),
        ([("to", "free")], None),
        ([("path", "/a/1/b"), ("x", "1")], 1),
        ([("path", "/a/1/c")], 2),
        ([("let", "through")], "nothing"),
        ([("let", "others")], "nothing"),
    ],
)
def test_a_descriptor_takes_the_most_specific_way_and_has_to_end_where_it_does(entries, requests):
    rule = level(MESSAGING).find(entries)
    assert ("nothing" if rule is None else rule.requests) == requests


def test_a_way_that_was_taken_is_not_taken_back():
    """A value that is configured hides what there is for any value, even where it leads nowhere: as envoyproxy/ratelimit has it."""
    below = [{"key": "b", "rate_limit": {"unit": "day", "requests_per_unit": 1}}]
    one_limit = [{"key": "a", "descriptors": below}]
    assert level(one_limit).find([("a", "1"), ("b", "2")]) is not None
    assert level([*one_limit, {"key": "a", "value": "1"}]).find([("a", "1"), ("b", "2")]) is None
    assert level([*one_limit, {"key": "a", "value": "1*"}]).find([("a", "1"), ("b", "2")]) is None


KEYS, VALUES = st.sampled_from(["a", "b"]), st.sampled_from(["", "x", "xy", "x*", "*y", "*"])


@st.composite
def trees(draw, depth=3):
    """Descriptors of which each limit has a number of its own."""
    names = draw(st.lists(st.tuples(KEYS, VALUES), unique=True, max_size=4))
    limits = st.integers(1, 10**6).map(lambda number: {"unit": "day", "requests_per_unit": number})
    return [
        {
            "key": key,
            "value": value,
            "rate_limit": draw(st.none() | limits),
            "descriptors": draw(trees(depth - 1)) if depth > 1 else [],
        }
        for key, value in names
    ]


def covers(pattern, value):
    first, star, last = pattern.partition("*")
    return (
        value.startswith(first) and value.endswith(last) and len(value) >= len(first + last)
        if star
        else pattern == value
    )


def look_up(descriptors, entries):
    """The rule's words, step by step, over the file itself."""
    limit = None
    for key, value in entries:
        here = [one for one in descriptors if one["key"] == key]
        ways = (
            [one for one in here if one["value"] and one["value"] == value and "*" not in one["value"]]
            + [one for one in here if "*" in one["value"] and covers(one["value"], value)]
            + [one for one in here if not one["value"]]
        )
        if not ways:
            return None
        limit, descriptors = ways[0]["rate_limit"], ways[0]["descriptors"]
    return limit and limit["requests_per_unit"]


@given(trees(), st.lists(st.tuples(KEYS, st.sampled_from(["", "x", "xy", "y", "zy", "x*"])), min_size=1, max_size=4))
def test_any_tree_is_matched_as_its_words_say(tree, entries):
    rule = level(tree).find(entries)
    assert (rule and rule.requests) == look_up(tree, entries)
