"""What a chat completion request may hold, and how a refusal says what is wrong."""

import copy
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import chat as sdk
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from chassis.errors import Reason, RunestoneError
from gateway_edge.endpoints.table import CHAT
from gateway_edge.openapi.fault import LONGEST, WORDS, check, find_fault
from gateway_edge.openapi.shape import OWN_KEYWORDS, Shape, request_shape
from gateway_edge.question.body import read_as
from gateway_edge.question.views import ChatRequest

OPEN, STRICT = request_shape(CHAT.path, is_strict=False), request_shape(CHAT.path, is_strict=True)
HELLO = [{"role": "user", "content": "hi"}]
FUNCTION = {"name": "run", "description": "Runs it.", "parameters": {"type": "object", "properties": {"command": {}}}}

# What coding agents send, everything at once.
AGENT: dict[str, Any] = {
    "model": "simulated",
    "messages": [
        {"role": "system", "content": "You write code.", "name": None},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "run", "arguments": '{"command": "ls"}'}},
                {"id": "call_2", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "README.md"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "done"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "refusal": None},
        {"role": "user", "content": "Why?"},
    ],
    "tools": [
        {"type": "function", "function": {**FUNCTION, "strict": True}},
        {"type": "custom", "custom": {"name": "patch", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "run"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
    "reasoning_effort": "high",
    "verbosity": "low",
    "max_completion_tokens": 4096,
    "max_tokens": None,
    "temperature": 0,
    "top_p": 1,
    "n": 1,
    "seed": -1,
    "stop": ["END"],
    "logit_bias": {"50256": -100},
    "metadata": {"task": "fix"},
    "stream": True,
    "stream_options": {"include_usage": True},
    "store": False,
    "user": "u1",
}


def asked(**members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": HELLO, **members}


def said(*parts: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [*HELLO, {"role": "user", "content": list(parts)}]}


def refusal_of(document: dict[str, Any], shape: Shape = OPEN) -> RunestoneError:
    with pytest.raises(RunestoneError) as refusal:
        check(document, shape)
    assert refusal.value.reason is Reason.INVALID_REQUEST
    return refusal.value


WRONG = [
    ({"messages": HELLO}, "", "`model` is missing"),
    ({"model": "m"}, "", "`messages` is missing"),
    (asked(model=7), "model", "must be a string"),
    (asked(model=""), "model", "must not be empty"),
    (asked(model="m" * 257), "model", "must have at most 256 characters"),
    (asked(messages=[]), "messages", "must not be empty"),
    (asked(messages="hi"), "messages", "must be an array"),
    (asked(messages=[7]), "messages[0]", "must be an object"),
    (asked(messages=[*HELLO, {"content": "hi"}]), "messages[1]", "`role` is missing"),
    (
        asked(messages=[{"role": "king", "content": "hi"}]),
        "messages[0].role",
        "must be `system`, `developer`, `user`, `assistant`, `tool` or `function`",
    ),
    (
        asked(messages=[*HELLO, *HELLO, {"role": "user", "content": 5}]),
        "messages[2].content",
        "must be a string, an array or null",
    ),
    (asked(messages=[{"role": "tool", "tool_call_id": 1}]), "messages[0].tool_call_id", "must be a string or null"),
    (asked(messages=[{"role": "assistant", "tool_calls": {}}]), "messages[0].tool_calls", "must be an array or null"),
    (asked(temperature=3), "temperature", "must be at most 2"),
    (asked(temperature=-0.1), "temperature", "must be at least 0"),
    (asked(top_p=1.5), "top_p", "must be at most 1"),
    (asked(n=0), "n", "must be at least 1"),
    (asked(n=1.5), "n", "must be a whole number or null"),
    (asked(max_tokens=0), "max_tokens", "must be at least 1"),
    (asked(max_completion_tokens="many"), "max_completion_tokens", "must be a whole number or null"),
    (asked(seed=2.0**64), "seed", "must be at most 9223372036854775807"),
    (asked(stream="yes"), "stream", "must be a boolean or null"),
    (asked(stream_options={"include_usage": 1}), "stream_options.include_usage", "must be a boolean or null"),
    (asked(stop=[1]), "stop[0]", "must be a string"),
    (asked(tools=["run"]), "tools[0]", "must be an object"),
    (asked(logit_bias={"7": "x"}), "logit_bias.7", "must be a number"),
]

# Of several forms the one that was meant is held against what was sent.
WRONG_IN_A_CHOICE = [
    (said("hi"), "messages[1].content[0]", "must be an object"),
    (said({"text": "hi"}), "messages[1].content[0]", "`type` is missing"),
    (said({"type": 5}), "messages[1].content[0].type", "must be a string"),
    (said({"type": "text", "text": 5}), "messages[1].content[0].text", "must be a string"),
    (said({"type": "text"}), "messages[1].content[0]", "`text` is missing"),
    (said({"type": "text", "text": ""}, {"type": "image_url"}), "messages[1].content[1]", "`image_url` is missing"),
    (said({"type": "image_url", "image_url": "x"}), "messages[1].content[0].image_url", "must be an object"),
    (asked(tools=[{"type": "function"}]), "tools[0]", "`function` is missing"),
    (asked(tools=[{"type": "function", "function": {"name": ""}}]), "tools[0].function.name", "must not be empty"),
    (
        asked(messages=[{"role": "assistant", "tool_calls": [{"type": "function", "id": "c", "function": {}}]}]),
        "messages[0].tool_calls[0].function",
        "`name` is missing",
    ),
    (asked(response_format="json"), "response_format", "must be an object or null"),
    (asked(response_format={"type": "json_schema"}), "response_format", "`json_schema` is missing"),
]


@pytest.mark.parametrize(("document", "param", "words"), [*WRONG, *WRONG_IN_A_CHOICE])
def test_a_refusal_names_the_path_and_says_what_is_wrong(document: dict[str, Any], param: str, words: str) -> None:
    refusal = refusal_of(document)
    assert (refusal.param, refusal.message) == (param, f"{param}: {words}" if param else words)


def test_what_coding_agents_send_passes() -> None:
    check(AGENT, OPEN)
    check(AGENT, STRICT)


@pytest.mark.parametrize(
    "document",
    [
        asked(brand_new={"a": 1}),
        asked(messages=[{"role": "user", "content": "hi", "brand_new": 1}]),
        said({"type": "text", "text": "hi", "brand_new": 1}),
        said({"type": "hologram", "hologram": {"url": "x"}}),
        asked(tools=[{"type": "web_search", "max_uses": 3}]),
        asked(tools=[{"type": "function", "function": {**FUNCTION, "brand_new": 1}}]),
        asked(response_format={"type": "grammar", "grammar": "x"}),
        asked(messages=[{"role": "assistant"}]),
    ],
)
def test_what_only_a_provider_knows_passes(document: dict[str, Any]) -> None:
    """A provider's new member works on the day it appears."""
    check(document, OPEN)


@pytest.mark.parametrize(
    ("document", "param"),
    [
        (asked(brand_new=1), "brand_new"),
        (asked(messages=[{"role": "user", "content": "hi", "brand_new": 1}]), "messages[0].brand_new"),
        (said({"type": "text", "text": "hi", "brand_new": 1}), "messages[1].content[0].brand_new"),
        (said({"type": "hologram", "hologram": 1}), "messages[1].content[0].hologram"),
        (asked(tools=[{"type": "function", "function": {"name": "f", "brand_new": 1}}]), "tools[0].function.brand_new"),
        (asked(stream_options={"brand_new": 1}), "stream_options.brand_new"),
    ],
)
def test_a_strict_pipeline_refuses_what_is_not_known_wherever_it_stands(document: dict[str, Any], param: str) -> None:
    refusal = refusal_of(document, STRICT)
    assert refusal.param == param
    assert "known members only" in refusal.message


def test_a_strict_pipeline_leaves_open_what_is_the_clients_own() -> None:
    """JSON Schemas, metadata, token ids."""
    schema = {"type": "object", "properties": {"a": {"anything": 1}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    check(asked(metadata={"any": "name"}, logit_bias={"1": 2}, tools=[tool]), STRICT)


def names_in(kind: Any) -> set[str]:
    return set(typing.get_type_hints(kind))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (CompletionCreateParamsBase, STRICT),
        *[
            (getattr(sdk, f"ChatCompletion{role}MessageParam"), STRICT.members["messages"].items)
            for role in ("System", "Developer", "User", "Assistant", "Tool", "Function")
        ],
        (sdk.ChatCompletionStreamOptionsParam, STRICT.members["stream_options"]),
    ],
)
def test_everything_that_openais_sdk_can_send_is_known(kind: Any, shape: Shape) -> None:
    assert names_in(kind) - set(shape.members) == set()


def test_a_refusal_shows_nothing_of_what_was_sent_but_names() -> None:
    secret = "the patient's name"
    for document in (said({"type": "text", "text": [secret]}), asked(stop=[[secret]]), asked(temperature=secret)):
        assert secret not in refusal_of(document).message


def test_a_refusal_is_short_whatever_the_client_names_its_members() -> None:
    refusal = refusal_of(asked(**{"k" * 100_000: 1}), STRICT)
    assert len(refusal.param) < LONGEST + 10
    assert len(refusal.message) < LONGEST + 100


def test_depth_where_everything_is_allowed_is_nobodys_fault() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    check(asked(metadata={"deep": deep}, brand_new=deep), OPEN)
    check(asked(metadata={"deep": deep}), STRICT)


def schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    below = [schema.get("items"), schema.get("additionalProperties")]
    for part in [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *below]:
        if isinstance(part, dict):
            yield from schemas_in(part)


def test_the_schema_says_nothing_that_a_refusal_could_not_explain() -> None:
    explained = {*OWN_KEYWORDS, "properties", "items", "additionalProperties", "anyOf"}
    remarks = {"description", "default", "deprecated"}
    used = {keyword for schema in schemas_in(STRICT.schema) for keyword in schema}
    assert used - explained - remarks == set()
    assert set(WORDS) == set(OWN_KEYWORDS)


def test_the_forms_of_a_choice_are_told_apart_by_their_type() -> None:
    for schema in schemas_in(OPEN.schema):
        for branch in schema.get("anyOf", ()):
            assert branch["type"] == "null" or "type" in branch["required"]


# Bodies that are right but for a few places.

values = st.sampled_from(
    [
        *(
            None,
            True,
            0,
            1,
            -1,
            1.5,
            3,
            7.0,
            1e17,
            1e300,
            2**63,
            2.0**63,
            -(2.0**63),
            "",
            "text",
            "x" * 300,
            [],
            ["x"],
            [[]],
            {},
        ),
        *({"type": "text"}, {"type": "text", "text": "x"}, {"type": "function"}, {"type": 1}, {"role": "user"}, HELLO),
    ]
)
names = st.sampled_from(["model", "type", "role", "seed", "stream", "content", "brand_new", "text"])


def places_in(value: Any) -> list[tuple[Any, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for step, part in steps for place in [(value, step), *places_in(part)]]


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    body = copy.deepcopy(AGENT)
    for _ in range(draw(st.integers(1, 3))):
        holder, step = draw(st.sampled_from(places_in(body)))
        match draw(st.sampled_from(["change", "drop", "add"])):
            case "change":
                holder[step] = copy.deepcopy(draw(values))
            case "drop":
                del holder[step]
            case "add" if isinstance(holder, dict):
                holder[draw(names)] = copy.deepcopy(draw(values))
        if not places_in(body):
            break
    return body


def part_at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


@pytest.mark.parametrize("seed", [0, -1, 7.0, 1e17, 2**63 - 1, -(2**63)])
def test_whatever_is_a_whole_number_to_json_schema_is_a_seed(seed: float) -> None:
    """Writers of JSON differ: 100000000000000000 may come as 1e17."""
    check(asked(seed=seed), OPEN)
    assert read_as(asked(seed=seed), ChatRequest).is_deterministic


@given(bodies())
def test_what_passes_can_be_read_and_what_does_not_is_found(body: dict[str, Any]) -> None:
    """A refusal's path exists in the body; strict takes nothing that is refused otherwise."""
    for shape in (OPEN, STRICT):
        if shape.is_valid(body):
            assert OPEN.is_valid(body)
            assert read_as(body, ChatRequest).model == body["model"]
        else:
            path, words = find_fault(body, shape)
            part_at(body, path)
            assert words
