"""What a request asks of a model."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.features import list_features

SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}


def features_of(indent=None, **body):
    document = json.dumps(body, indent=indent).encode()
    return list_features(msgspec.json.decode(document, type=dict[str, msgspec.Raw]))


def said(**part):
    return [{"role": "user", "content": [{"type": "text", "text": "hi"}, part]}]


ASKING = [
    ("tools", {"tools": [{"type": "function"}]}),
    ("tools", {"functions": [{"name": "f"}]}),
    ("vision", {"messages": said(type="image_url", image_url={"url": "data:"})}),
    ("vision", {"messages": said(type="image", source={"type": "file", "file_id": "f"})}),
    ("vision", {"messages": said(type="tool_result", content=[{"type": "image", "source": {}}])}),
    ("vision", {"input": said(type="input_image", image_url="data:")}),
    ("vision", {"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot"}}]}),
    ("audio", {"messages": said(type="input_audio", input_audio={})}),
    ("audio", {"audio": {"voice": "alloy"}}),
    ("audio", {"modalities": ["text", "audio"]}),
    ("documents", {"messages": said(type="file", file={"file_id": "f"})}),
    ("documents", {"messages": said(type="document", source={"type": "text"})}),
    ("documents", {"input": said(type="input_file", file_id="f")}),
    ("structured", {"response_format": SCHEMA}),
    ("structured", {"text": {"format": SCHEMA}}),
    ("structured", {"output_config": {"format": SCHEMA}}),
    ("structured", {"output_format": SCHEMA}),
    ("thinking", {"reasoning_effort": "low"}),
    ("thinking", {"reasoning": {"effort": "high"}}),
    ("thinking", {"reasoning": {"summary": "auto"}}),
    ("thinking", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    ("thinking", {"thinking": {"type": "adaptive"}}),
    ("thinking", {"output_config": {"effort": "medium"}}),
]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(("feature", "body"), ASKING)
def test_each_dialect_asks_in_its_own_words(feature, body, indent):
    """Whatever the whitespace; and one feature is not taken for another."""
    assert features_of(indent, **body) == {feature}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"tools": []},
        {
            "tools": None,
            "functions": None,
            "audio": None,
            "reasoning": None,
            "reasoning_effort": None,
            "thinking": None,
        },
        {"modalities": ["text"]},
        {"response_format": {"type": "json_object"}},
        {"text": {"format": {"type": "text"}, "verbosity": "low"}},
        {"thinking": {"type": "disabled"}},
        {"reasoning": {}},
        {"reasoning": {"effort": "none"}},
        {"reasoning_effort": "none"},
        {"output_config": {"effort": None}},
        {"metadata": {"type": "image"}},
    ],
)
def test_a_call_that_asks_for_nothing_special_has_no_features(body):
    assert features_of(**body) == frozenset()


@given(st.text(), st.sampled_from(ASKING))
def test_text_that_speaks_of_a_feature_does_not_ask_for_it(around, asking):
    """What is quoted is escaped, whatever stands around it."""
    quoted = around + json.dumps(asking[1]) + around
    assert features_of(messages=[{"role": "user", "content": quoted}], system=quoted) == frozenset()


@given(st.lists(st.sampled_from(ASKING), unique_by=lambda asking: next(iter(asking[1])), max_size=4))
def test_features_add_up(asked):
    body = {name: value for _, members in asked for name, value in members.items()}
    assert features_of(**body) == {feature for feature, _ in asked}


def test_plain_bytes_do_as_well():
    assert list_features({"tools": b' [ {"type":"function"} ] ', "reasoning": b" null "}) == {"tools"}
