"""The cache key: everything that may change an answer changes it, nothing else does."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chassis.config import Route
from chassis.config.models import Model, Target
from chassis.hashing import hash_parts
from gateway_edge.question.fingerprint import DENIED, fingerprint, is_ambiguous

ROUTE = Route("fast", (Target(provider="sim", model="simulated"),))
BASE = {"model": "fast", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def key_of(
    document: dict[str, Any],
    tenant: str = "acme",
    dialect: str = "openai_chat",
    route: Route = ROUTE,
    pipeline: bytes = b"default",
) -> bytes:
    return fingerprint(owner=("tenant", tenant), pipeline=pipeline, dialect=dialect, route=route, document=document)


@given(st.text(min_size=1, max_size=8), values)
def test_any_member_that_is_not_denied_changes_the_key(name: str, value: Any) -> None:
    assume(name not in DENIED)
    assume(name not in BASE or BASE[name] != value)
    assert key_of({**BASE, name: value}) != key_of(BASE)


@given(st.sampled_from(sorted(DENIED)), values)
def test_a_denied_member_never_changes_the_key(name: str, value: Any) -> None:
    assert key_of({**BASE, name: value}) == key_of(BASE)


def test_a_route_that_refuses_losses_finds_no_answer_of_the_time_when_it_left_them_out() -> None:
    assert key_of(BASE, route=Route("fast", ROUTE.targets, Model(name="fast", on_loss="drop"))) != key_of(BASE)


@given(st.permutations(list(BASE.items())), st.sampled_from([None, 1, 4]))
def test_order_and_whitespace_do_not_change_the_key(members: list[tuple[str, Any]], indent: int | None) -> None:
    assert key_of(orjson.loads(json.dumps(dict(members), indent=indent))) == key_of(BASE)


@given(values)
def test_the_spelling_of_a_number_does_not_change_the_key(value: Any) -> None:
    """`1.0`, `1` and `1e0` are one number (RFC 8259 leaves it to us); a text that looks like one is a text."""
    texts = [orjson.dumps({**BASE, "x": [value, number]}) for number in (7, 7.0)]
    texts.append(texts[0].replace(b"7]", b"7e0]"))
    texts.append(texts[0].replace(b"7]", b"70.0e-1]"))
    assert len({key_of(orjson.loads(text)) for text in texts}) == 1
    assert key_of({**BASE, "x": [value, "7.0"]}) != key_of({**BASE, "x": [value, "7"]})
    assert key_of({**BASE, "x": [value, 7.5]}) != key_of({**BASE, "x": [value, 7]})


def test_numbers_inside_texts_stay_texts_where_another_is_spelled_anew() -> None:
    assert key_of({**BASE, "x": "a,7.0,b", "y": 1.0}) != key_of({**BASE, "x": "a,7,b", "y": 1})
    assert key_of({**BASE, "x": 2.0**60}) != key_of({**BASE, "x": 2.0**61})
    assert key_of({**BASE, "x": True}) != key_of({**BASE, "x": 1})


def test_ten_thousand_adversarial_pairs_of_tenants_never_meet() -> None:
    """Names that are one another's parts, with every delimiter, and questions that hold names."""
    parts = ["a", "b", "ab", "", ":", "/", "|", "\x00", "a:b", "a/b", "tenant", "key", "1", "\u0130", "i\u0307"]
    names = [first + second for first in parts for second in parts][:142]
    keys = {
        key_of({**BASE, "x": other}, tenant=name, dialect="openai_chat") for name in set(names) for other in ("", name)
    }
    assert len(keys) == 2 * len(set(names)) - ("" in names)
    pairs = [(one, other) for one in set(names) for other in set(names) if one != other][:10_000]
    assert all(key_of(BASE, tenant=one) != key_of(BASE, tenant=other) for one, other in pairs)
    assert len(pairs) == 10_000


def test_an_answer_of_one_pipeline_is_not_found_by_another() -> None:
    """One may redact what the other sends as it is."""
    assert key_of(BASE, pipeline=b"strict") != key_of(BASE)


def test_tenant_dialect_route_and_target_change_the_key() -> None:
    other_target = Route("fast", (Target(provider="sim", model="other"),))
    other_route = Route("slow", ROUTE.targets)
    keys = {
        key_of(BASE),
        key_of(BASE, tenant="other"),
        key_of(BASE, dialect="x"),
        key_of(BASE, route=other_route),
        key_of(BASE, route=other_target),
    }
    assert len(keys) == 5


@given(st.lists(st.binary(max_size=6), max_size=5), st.lists(st.binary(max_size=6), max_size=5))
def test_no_two_lists_of_parts_collide(first: list[bytes], second: list[bytes]) -> None:
    assert (hash_parts(first) == hash_parts(second)) == (first == second)


@given(st.dictionaries(st.text(max_size=4), values, max_size=4), st.sampled_from([None, 2]))
def test_what_json_writes_is_never_ambiguous(document: dict[str, Any], indent: int | None) -> None:
    body = json.dumps(document, indent=indent).encode()
    assert not is_ambiguous(body, orjson.loads(body))


@pytest.mark.parametrize(
    "text",
    [
        "1790000000000000000",
        'tweet "1790000000000000000"',
        "67756137933145029852180a467f9d02",
        "\\1790000000000000000\\",
    ],
    ids=["nanoseconds", "quoted", "hexadecimal", "beside backslashes"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_long_number_within_a_text_is_not_ambiguous(text: str, indent: int | None) -> None:
    """Else whoever writes an id into his question would be answered out of no cache, and never told why."""
    body = json.dumps({**BASE, text: [text, text]}, indent=indent).encode()
    assert not is_ambiguous(body, orjson.loads(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": {"x": 1, "x": 2}}',
        b'{"a": [{"x": {"y": 1, "y": 1}}]}',
        b'{"a": 100000000000000000001}',
        rb'{"a\\": "1\"", "b": [100000000000000000001]}',
        b'{"a": ' + b"[" * 250 + b"]" * 250 + b"}",
    ],
    ids=[
        "inner duplicate",
        "deeper duplicate",
        "more than 64 bits",
        "the same behind texts",
        "too deep for the canonical form",
    ],
)
def test_what_two_readers_could_read_differently_is_ambiguous(body: bytes) -> None:
    assert is_ambiguous(body, orjson.loads(body))
