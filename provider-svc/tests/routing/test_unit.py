"""What sticks to one target."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.routing import read_unit

HI = {"role": "user", "content": "hi"}
ANSWER, MORE = {"role": "assistant", "content": "hello"}, {"role": "user", "content": "more"}
MARK = {"cache_control": {"type": "ephemeral"}}
PICTURE = {"type": "image", "source": {"data": "QUJD"}}


def unit_of(by, tenant="t", **body):
    return read_unit(tenant, msgspec.json.decode(json.dumps(body).encode(), type=dict[str, msgspec.Raw]), by)


@pytest.mark.parametrize(
    ("turns", "later"),
    [
        ({"messages": [HI]}, {"messages": [HI, ANSWER, MORE], "temperature": 1}),
        ({"messages": [{"role": "system", "content": "s"}, HI]}, {"messages": [{"role": "system", "content": "s"}, HI, ANSWER]}),
        ({"system": "s", "messages": [HI]}, {"system": "s", "messages": [HI, ANSWER, MORE]}),
        ({"instructions": "s", "input": "hi"}, {"instructions": "s", "input": [HI, ANSWER, MORE]}),
        ({"prompt_cache_key": "k", "input": "hi"}, {"prompt_cache_key": "k", "input": "something else"}),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", **MARK}]}]},
            {"messages": [HI, ANSWER, {"role": "user", "content": [{"type": "text", "text": "more", **MARK}]}]},
        ),
        (
            {"messages": [{"role": "user", "content": [PICTURE | MARK]}]},
            {"messages": [{"role": "user", "content": [PICTURE]}, ANSWER, MORE]},
        ),
    ],
)  # fmt: skip
def test_all_turns_of_a_conversation_are_one_unit(turns, later):
    """Though the client's cache marks move on, and a text alone becomes one in parts."""
    assert unit_of("conversation", **turns) == unit_of("conversation", **later)
    assert len(unit_of("conversation", **turns)) == 32


def test_other_beginnings_are_other_units():
    bodies = [
        {"messages": [HI]},
        {"messages": [MORE]},
        {"system": "s", "messages": [HI]},
        {"system": "sh", "messages": [{"role": "user", "content": "i"}]},
        {"messages": [{"role": "user", "content": [PICTURE]}]},
        {"prompt_cache_key": "hi", "messages": [HI]},
    ]
    assert len({unit_of("conversation", **body) for body in bodies}) == len(bodies)


@pytest.mark.parametrize("said", [{"user": "u"}, {"safety_identifier": "u"}, {"metadata": {"user_id": "u"}}])
def test_a_user_is_the_same_in_every_dialect(said):
    expected = unit_of("user", user="u", messages=[HI])
    assert unit_of("user", **said, messages=[MORE]) == expected
    assert expected not in {unit_of("user", tenant="other", **said), unit_of("user", user="v"), b""}


def test_a_conversation_is_never_another_tenants():
    assert unit_of("conversation", messages=[HI]) != unit_of("conversation", tenant="other", messages=[HI])


@pytest.mark.parametrize("by", ["user", "conversation"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": [ANSWER], "user": ""},
        {"messages": 5, "user": 7, "metadata": "x"},
        {"messages": [5], "metadata": {"user_id": None}},
        {"messages": [{"role": "user", "content": [5]}], "metadata": None},
        {"prompt_cache_key": 5, "messages": [HI], "metadata": {"user_id": 5}},
    ],
)
def test_where_there_is_nothing_to_stick_to_there_is_no_unit(by, body):
    assert unit_of(by, **body) == b""


json_values = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(
    st.dictionaries(
        st.sampled_from(["messages", "input", "system", "user", "metadata", "prompt_cache_key"]), json_values
    )
)
def test_no_body_is_too_odd_to_be_routed(body):
    for by in ("user", "conversation"):
        assert len(unit_of(by, **body)) in {0, 32}


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"', b"[" * 100_000])
def test_bytes_that_are_no_text_are_no_unit(text):
    """Whoever routes is not who refuses them."""
    turns = b'[{"role":"user","content":' + text + b"}]"
    assert read_unit("t", {"messages": msgspec.Raw(turns)}, "conversation") == b""
    assert read_unit("t", {"user": msgspec.Raw(text)}, "user") == b""
