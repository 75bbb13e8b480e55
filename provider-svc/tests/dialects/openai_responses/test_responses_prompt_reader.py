"""A Responses body is read whole: what cannot be carried is refused, or left out and told of."""

import base64

import pytest
from dialects.openai_responses.wire import read, write

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.openai_responses.prompt_reader import REFUSED
from provider_svc.dialects.prompt import (
    Audio,
    CacheMark,
    Choice,
    Document,
    Handling,
    Image,
    Reasoning,
    Sampling,
    Shape,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}
CUSTOM = {"type": "custom", "name": "c"}


def refused(body: dict, *, is_strict: bool = True) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        read(body, is_strict=is_strict)
    assert caught.value.reason is Reason.INVALID_REQUEST
    return caught.value


def parts_of(*items: dict, is_strict: bool = True) -> list:
    prompt, _ = read({"input": list(items)}, is_strict=is_strict)
    return [part for turn in prompt.turns for part in turn.parts]


def part_of(part: dict, **options: bool):
    [read_part] = parts_of({"role": "user", "content": [part]}, **options)
    return read_part


def test_a_string_is_what_the_user_says():
    prompt, _ = read({"input": "Hi"})
    assert prompt.turns == (Turn(role="user", parts=(Text(text="Hi"),), path="input"),)


def test_the_operator_speaks_before_the_conversation_and_in_the_middle_of_it():
    items = [
        {"role": "system", "content": "b"},
        {"role": "developer", "content": [{"type": "input_text", "text": "c"}]},
        {"role": "user", "content": "d"},
        {"role": "developer", "content": "e"},
    ]
    prompt, _ = read({"instructions": "a", "input": items})
    assert [text.text for text in prompt.system] == ["a", "b", "c"]
    assert [(turn.role, turn.path) for turn in prompt.turns] == [("user", "input[2]"), ("system", "input[3]")]


def test_an_assistants_message_has_all_its_forms():
    said = {"type": "output_text", "text": "b", "annotations": [], "logprobs": []}
    assert parts_of(
        {"role": "assistant", "content": "a"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [said]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "c"}]},
    ) == [Text(text="a"), Text(text="b"), Text(text="c", is_refusal=True)]


def test_calls_and_their_outputs_are_told_apart_by_kind():
    image = {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"}
    assert parts_of(
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}", "caller": {"type": "direct"}},
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "r"}, image]},
        {"type": "custom_tool_call", "call_id": "2", "name": "c", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "2", "output": "y"},
    ) == [
        ToolCall(id="1", name="f", arguments="{}"),
        ToolResult(call_id="1", parts=(Text(text="r"), Image(url="https://x.test/a.png", detail="low"))),
        ToolCall(id="2", name="c", arguments="x", is_custom=True),
        ToolResult(call_id="2", parts=(Text(text="y"),), is_custom=True),
    ]


@pytest.mark.parametrize(
    ("item", "thought"),
    [
        (
            {"summary": [{"type": "summary_text", "text": "a"}, {"text": "b"}], "encrypted_content": "gAAA"},
            Thinking(text="a\n\nb", seal="gAAA", sealed_by="openai", id="rs_1"),
        ),
        (
            {"summary": [{"text": "a"}], "encrypted_content": "runestone:anthropic:Eq=="},
            Thinking(text="a", seal="Eq==", sealed_by="anthropic", id="rs_1"),
        ),
        (
            {"summary": [], "encrypted_content": "runestone:anthropic:Em"},
            Thinking(seal="Em", sealed_by="anthropic", is_redacted=True, id="rs_1"),
        ),
        (
            {"summary": [{"text": ""}], "encrypted_content": "runestone:anthropic:Em"},
            Thinking(seal="Em", sealed_by="anthropic", id="rs_1"),
        ),
        ({"summary": [], "content": [{"type": "reasoning_text", "text": "t"}]}, Thinking(text="t", id="rs_1")),
    ],
)
def test_thoughts_come_back_with_their_seals(item, thought):
    assert parts_of({"type": "reasoning", "id": "rs_1", **item}) == [thought]


def test_thoughts_that_are_kept_elsewhere_are_told_of():
    prompt, lost = read(
        {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "a"}]}
    )
    assert (len(prompt.turns), lost) == (1, ("input[0]",))


@pytest.mark.parametrize(
    ("part", "read_part"),
    [
        (
            {"type": "input_image", "image_url": "data:image/PNG;base64,iVBO"},
            Image(media_type="image/png", data="iVBO"),
        ),
        ({"type": "input_image", "image_url": "https://x.test/a"}, Image(url="https://x.test/a")),
        (
            {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
            Document(media_type="application/pdf", data="JVBE", title="a.pdf"),
        ),
        ({"type": "input_file", "file_data": "JVBE"}, Document(media_type="application/pdf", data="JVBE")),
        ({"type": "input_file", "file_url": "https://x.test/a.pdf"}, Document(url="https://x.test/a.pdf")),
        (
            {"type": "input_file", "file_data": "data:text/plain;charset=utf-8;base64,aGVsbG8="},
            Document(media_type="text/plain", text="hello"),
        ),
        (
            {"type": "input_file", "file_data": f"data:text/plain;base64,{base64.b64encode(bytes([255])).decode()}"},
            Document(media_type="text/plain", data="/w=="),
        ),
        ({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}, Audio(data="UklG", format="wav")),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            Text(text="a", cache=CacheMark()),
        ),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
            Text(text="a", cache=CacheMark(ttl="1h")),
        ),
    ],
)
def test_parts_are_read_with_all_that_others_know(part, read_part):
    assert part_of(part) == read_part


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "file_id": "file-1"}, "input[0].content[0]"),
        ({"type": "input_file", "file_id": "file-1"}, "input[0].content[0]"),
        ({"type": "input_image", "image_url": "file:///etc/passwd"}, "input[0].content[0].image_url"),
        ({"type": "input_file", "file_url": "gopher://x"}, "input[0].content[0].file_url"),
        ({"type": "hologram"}, "input[0].content[0].type"),
        ({"type": 7}, "input[0].content[0].type"),
        ({"type": "input_text"}, "input[0].content[0]"),
    ],
)
def test_a_part_of_which_nothing_would_remain_is_refused_on_any_route(part, param):
    assert refused({"input": [{"role": "user", "content": [part]}]}, is_strict=False).param == param


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "input[0].type"),
        ({"id": "msg_1"}, "input[0].type"),
        ({"type": "web_search_call", "id": "ws_1", "status": "completed"}, "input[0].type"),
        ({"type": "compaction", "encrypted_content": "x"}, "input[0].type"),
        ({"type": ["message"]}, "input[0].type"),
        ({"role": "tool", "content": "x"}, "input[0].role"),
        ({"type": "function_call_output", "output": "x"}, "input[0]"),
        (
            {
                "type": "function_call_output",
                "call_id": "1",
                "output": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}],
            },
            "input[0].output[0].type",
        ),
    ],
)
def test_an_item_that_only_openai_could_look_up_is_refused_on_any_route(item, param):
    assert refused({"input": [item]}, is_strict=False).param == param


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_asks_for_a_kept_conversation_is_refused_on_any_route(name):
    value = {"background": True, "prompt": {"id": "pmpt_1"}}.get(name, "id_1")
    error = refused({"input": "a", name: value}, is_strict=False)
    assert (error.param, error.message) == (name, f"{name}: {REFUSED[name]}")


@pytest.mark.parametrize(
    "member",
    [
        {"background": False},
        {"truncation": "disabled"},
        {"stream_options": {"include_obfuscation": False}},
        {"include": ["reasoning.encrypted_content"]},
        {"text": {"format": {"type": "text"}}},
        {"reasoning": {"context": "auto", "mode": "standard"}},
        {"tools": [{**FUNCTION, "defer_loading": False, "allowed_callers": ["direct"]}]},
        {"previous_response_id": None, "conversation": None, "max_tool_calls": None, "brand_new": None},
    ],
)
def test_what_asks_for_what_happens_anyway_is_no_loss(member):
    _, lost = read({"input": "a", **member})
    assert lost == ()


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ({"stream_options": {"include_obfuscation": True}}, "stream_options"),
        ({"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options"),
        ({"include": ["web_search_call.results"]}, "include[0]"),
        ({"safety_identifier": "a", "user": "b"}, "user"),
        ({"input": [{"role": "assistant", "content": "a", "phase": "commentary"}]}, "input[0].phase"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": "JVBE", "detail": "low"}]}]},
            "input[0].content[0].detail",
        ),
        (
            {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": [{}]}]}]},
            "input[0].content[0].annotations",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_image", "image_url": "https://x", "detail": "original"}],
                    }
                ]
            },
            "input[0].content[0].detail",
        ),
    ],
)
def test_a_hint_is_left_out_and_told_of_on_a_strict_route(member, path):
    _, lost = read({"input": "a", **member})
    assert lost == (path,)


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ({"truncation": "auto"}, "truncation"),
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"brand_new": 1}, "brand_new"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}},
            "tool_choice.tools[0]",
        ),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        (
            {"input": [{"type": "function_call", "call_id": "1", "name": "f", "arguments": "", "namespace": "n"}]},
            "input[0].namespace",
        ),
        (
            {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "https://x"}]}]},
            "input[0].content",
        ),
    ],
)
def test_a_loss_is_refused_on_a_strict_route_and_told_of_elsewhere(member, path):
    body = {"input": "a", **member}
    assert refused(body).param == path
    assert read(body, is_strict=False)[1] == (path,)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": "a", "temperature": "hot"}, "temperature"),
        ({"input": "a", "tools": [1]}, "tools[0]"),
        ({"input": "a", "tools": [{"type": "function"}]}, "tools[0]"),
        ({"input": "a", "text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"input": "a", "tool_choice": "maybe"}, "tool_choice"),
        ({"input": "a", "tool_choice": {"type": "allowed_tools", "mode": "none", "tools": []}}, "tool_choice.mode"),
    ],
)
def test_what_is_malformed_is_refused_by_its_path(body, param):
    assert refused(body, is_strict=False).param == param


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("auto", Choice(mode="auto")),
        ("none", Choice(mode="none")),
        ("required", Choice(mode="required")),
        ({"type": "function", "name": "f"}, Choice(mode="tool", name="f")),
        ({"type": "custom", "name": "c"}, Choice(mode="tool", name="c", is_custom=True)),
    ],
)
def test_a_choice_among_tools_is_read(choice, chosen):
    prompt, _ = read({"input": "a", "tools": [FUNCTION, CUSTOM], "tool_choice": choice})
    assert prompt.choice == chosen
    assert prompt.tools == (Tool(name="f", schema={"type": "object"}), Tool(name="c", is_custom=True))


def test_tools_that_are_not_allowed_are_not_there():
    """Nobody else has a choice among some of the tools."""
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "c"}]}
    prompt, lost = read({"input": "a", "tools": [FUNCTION, CUSTOM], "tool_choice": allowed})
    assert (prompt.choice, [tool.name for tool in prompt.tools], lost) == (Choice(mode="required"), ["c"], ())


def test_everything_that_steers_an_answer_is_read():
    schema = {"type": "object"}
    shape = {"type": "json_schema", "name": "n", "schema": schema, "strict": True, "description": "d"}
    prompt, lost = read(
        {
            "input": "a",
            "text": {"format": shape, "verbosity": "low"},
            "reasoning": {"effort": "low", "generate_summary": "concise"},
            "max_output_tokens": 5,
            "temperature": 0,
            "top_p": 1,
            "top_logprobs": 2,
            "include": ["message.output_text.logprobs"],
            "user": "u",
            "metadata": {"a": "b"},
            "store": True,
            "service_tier": "flex",
            "prompt_cache_key": "k",
            "prompt_cache_retention": "24h",
        }
    )
    assert lost == ()
    assert prompt.shape == Shape(kind="json_schema", name="n", schema=schema, description="d", is_strict=True)
    assert prompt.reasoning == Reasoning(effort="low", summary="concise")
    assert prompt.sampling == Sampling(
        max_tokens=5, temperature=0, top_p=1, logprobs=True, top_logprobs=2, verbosity="low"
    )
    assert prompt.handling == Handling(
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=True,
        prompt_cache_key="k",
        prompt_cache_retention="24h",
    )


def test_effort_none_is_no_thinking():
    prompt, _ = read({"input": "a", "reasoning": {"effort": "none"}})
    assert prompt.reasoning == Reasoning(is_enabled=False)
    assert write(prompt)[0]["reasoning"] == {"effort": "none"}


def test_a_body_nested_too_deeply_is_refused():
    deep: object = "x"
    for _ in range(900):
        deep = [deep]
    try:
        read({"input": "a", "brand_new": deep}, is_strict=False)
    except RunestoneError as error:
        assert error.reason is Reason.INVALID_REQUEST  # noqa: PT017  either way is right, nothing else is
