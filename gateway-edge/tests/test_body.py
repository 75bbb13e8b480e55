"""The JSON door: what is refused, and that nothing ambiguous gets through."""

import json
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from gateway_edge.question.body import MAX_DEPTH, decode_object, has_duplicate_keys, is_deeper, read_as
from gateway_edge.question.views import ChatRequest

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text(), json_values, max_size=5)


@given(objects, st.booleans(), st.sampled_from([None, 2]))
def test_every_object_without_duplicates_passes(document: dict, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    try:
        decoded = orjson.loads(body)
    except orjson.JSONDecodeError:
        with pytest.raises(RunestoneError):
            decode_object(body)
    else:
        assert decode_object(body) == decoded
        assert not has_duplicate_keys(body)


@given(objects.filter(bool), st.data())
def test_a_duplicate_top_level_key_is_always_seen(document: dict, data: st.DataObject) -> None:
    """Wherever the second one stands and whatever its value, even the same."""
    key = data.draw(st.sampled_from(list(document)))
    members = list(document.items())
    members.insert(data.draw(st.integers(0, len(members))), (key, data.draw(json_values)))
    body = ("{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in members) + "}").encode()
    assert has_duplicate_keys(body)


def test_the_same_key_spelt_with_an_escape_is_a_duplicate() -> None:
    with pytest.raises(RunestoneError, match="twice"):
        decode_object(b'{"model": "cheap", "mod\\u0065l": "expensive"}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"nul",
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=["empty", "open", "list", "string", "word", "nan", "bad utf-8", "lone surrogate", "deep"],
)
def test_what_is_not_one_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(RunestoneError) as refusal:
        decode_object(body)
    assert refusal.value.reason is Reason.INVALID_REQUEST


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    return b'{"a": ' + (opening * (levels - 1) + "1" + closing * (levels - 1)).encode() + b"}"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[7, "[{", ', "]")])
def test_a_body_may_be_nested_as_deeply_as_it_may_and_no_deeper(opening: str, closing: str) -> None:
    assert decode_object(nested(MAX_DEPTH, opening, closing))
    with pytest.raises(RunestoneError, match="nested more deeply than 100 levels"):
        decode_object(nested(MAX_DEPTH + 1, opening, closing))


@given(json_values, st.integers(1, 6))
def test_depth_is_counted_as_the_text_has_it(value: object, most: int) -> None:
    text = json.dumps({"a": value, "b": "[" * 20})
    depth = deepest = 0
    for token in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        depth += (token in "[{") - (token in "]}")
        deepest = max(deepest, depth)
    assert is_deeper(text.encode(), json.loads(text), most) == (deepest > most)


def test_what_cannot_be_read_is_named_by_its_path() -> None:
    with pytest.raises(RunestoneError) as refusal:
        read_as({"model": "m", "temperature": "hot"}, ChatRequest)
    assert refusal.value.reason is Reason.INVALID_REQUEST
    assert refusal.value.param == "temperature"


def test_members_that_are_not_read_do_not_matter() -> None:
    assert read_as({"model": "m", "messages": 5, "brand_new": {"a": 1}}, ChatRequest).model == "m"
