"""Messages of the fake provider, as the official SDK reads them."""

import base64
import json

import anthropic
import pytest
from sdk_shapes import check_shape

HELLO = [{"role": "user", "content": "hello"}]
PNG = base64.b64encode(b"\x89PNG not really").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": name, "input_schema": SCHEMA} for name in ("weather", "tides")]
THINKING = {"type": "enabled", "budget_tokens": 1024}


async def ask(claude, model, messages=HELLO, **members):
    whole = await claude.messages.create(**{"model": model, "messages": messages, "max_tokens": 4096, **members})
    check_shape(whole)
    return whole


async def read_events(claude, model, messages=HELLO, **members):
    asked = {"model": model, "messages": messages, "max_tokens": 4096, **members}
    stream = await claude.messages.create(stream=True, **asked)
    events = [event async for event in stream]
    for event in events:
        check_shape(event)
    return events


async def fold(claude, model, messages=HELLO, **members):
    """What the SDK makes of a stream."""
    async with claude.messages.stream(
        **{"model": model, "messages": messages, "max_tokens": 4096, **members}
    ) as stream:
        return await stream.get_final_message()


@pytest.mark.parametrize(
    ("model", "members"),
    [
        ("words=5", {}),
        ("calls=2,preamble", {"tools": TOOLS}),
        ("think=3,redacted,calls=1", {"tools": TOOLS, "thinking": THINKING}),
        ("words=2,cite", {}),
        ("refuse,preamble", {}),
        ("words=2", {"stop_sequences": ["ström"]}),
        ("words=9", {"max_tokens": 3}),
    ],
)
async def test_a_stream_folds_to_the_whole(claude, model, members):
    """Every block, the stop and what it cost."""
    whole, folded = await ask(claude, model, **members), await fold(claude, model, **members)
    ignored = {"id": ..., "usage": {"output_tokens_details"}}
    mine, theirs = (
        json.loads(each.model_dump_json(exclude=ignored, exclude_none=True, warnings=False)) for each in (whole, folded)
    )
    for content in (mine["content"], theirs["content"]):
        for block in content:
            block.pop("id", None)
            block.pop("parsed_output", None)
    assert mine == theirs


async def test_a_text_and_what_it_cost(claude):
    answer = await ask(claude, "words=3")
    assert answer.content[0].text == "rain ström 水"
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens, answer.usage.output_tokens) == (7, 4, 3)


async def test_calls_have_inputs_that_their_schemas_allow(claude):
    answer = await ask(claude, "calls=2", tools=TOOLS)
    assert [(block.name, block.input) for block in answer.content] == [
        ("weather", {"city": "rain ström 水"}),
        ("tides", {"city": "rain ström 水"}),
    ]
    assert answer.stop_reason == "tool_use"


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "auto"}, ["weather", "tides"]),
        ({"type": "auto", "disable_parallel_tool_use": True}, ["weather"]),
        ({"type": "tool", "name": "tides"}, ["tides", "tides"]),
        ({"type": "none"}, []),
    ],
)
async def test_the_choice_of_tools_is_kept(claude, choice, names):
    answer = await ask(claude, "calls=2", tools=TOOLS, tool_choice=choice)
    assert [block.name for block in answer.content if block.type == "tool_use"] == names


async def test_a_tool_without_arguments_streams_none(claude):
    """As Anthropic does: one empty piece, not "{}"."""
    events = await read_events(claude, "calls=1", tools=[{"name": "now", "input_schema": {"type": "object"}}])
    pieces = [event.delta.partial_json for event in events if event.type == "content_block_delta"]
    assert pieces == [""]


async def test_a_thinking_tool_loop_hands_back_its_signed_thoughts(claude):
    """Redacted ones, too."""
    asked = {"tools": TOOLS, "thinking": THINKING}
    first = await ask(claude, "calls=1,redacted,words=1", **asked)
    assert [block.type for block in first.content] == ["thinking", "redacted_thinking", "tool_use"]
    call = first.content[-1]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "stormy", "is_error": True}
    messages = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    second = await ask(claude, "calls=1,words=1", messages, **asked)
    assert second.content[-1].text == f"[error of {call.id}: stormy] rain"
    assert second.usage.output_tokens_details.thinking_tokens == 4


async def test_omitted_thinking_has_a_signature_only(claude):
    answer = await ask(claude, "words=1", thinking={"type": "adaptive", "display": "omitted"})
    assert answer.content[0].thinking == ""
    assert answer.content[0].signature


async def test_structured_output_has_the_shape_that_was_asked_for(claude):
    shape = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert json.loads((await ask(claude, "m", output_config=shape)).content[0].text) == {"city": "rain ström 水"}


@pytest.mark.parametrize(
    ("model", "members", "reason", "sequence"),
    [
        ("words=9", {"max_tokens": 3}, "max_tokens", None),
        ("words=3", {"stop_sequences": ["x", "水"]}, "stop_sequence", "水"),
        ("refuse", {}, "refusal", None),
        ("finish=pause", {}, "pause_turn", None),
        ("finish=context", {}, "model_context_window_exceeded", None),
    ],
)
async def test_stop_reasons(claude, model, members, reason, sequence):
    answer = await ask(claude, model, **members)
    assert (answer.stop_reason, answer.stop_sequence) == (reason, sequence)
    explanation = "I cannot help with that." if reason == "refusal" else None
    assert (answer.stop_details and answer.stop_details.explanation) == explanation


async def test_what_was_shown_is_described(claude):
    """In a tool's result, too."""
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    content = [
        {"type": "text", "text": "look"},
        picture,
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PNG}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "水"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]
    messages = [{"role": "user", "content": content}]
    seen = "[image/png 15 bytes] [application/pdf 15 bytes] [text/plain 3 bytes] [at https://example.com/a.png]"
    assert (await ask(claude, "words=1", messages)).content[0].text == f"{seen} rain"
    call = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [picture]}
    messages = [*HELLO, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    answer = await ask(claude, "words=1", messages, tools=TOOLS)
    assert answer.content[0].text == "[result of toolu_1: ] [image/png 15 bytes] rain"


async def test_a_marked_prompt_is_written_to_the_cache_once_and_read_from_it_later(claude):
    system = [{"type": "text", "text": "be brief. " * 100, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    first, second = await ask(claude, "words=1", system=system), await ask(claude, "words=1", system=system)
    assert first.usage.cache_creation_input_tokens == second.usage.cache_read_input_tokens > 200
    assert first.usage.cache_creation.ephemeral_1h_input_tokens == first.usage.cache_creation_input_tokens
    assert second.usage.cache_creation_input_tokens == first.usage.cache_read_input_tokens == 0
    grown = [*HELLO, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on " * 50}]
    third = await ask(claude, "words=1", grown, system=system)
    assert third.usage.cache_read_input_tokens == second.usage.cache_read_input_tokens
    assert third.usage.input_tokens > second.usage.input_tokens


async def test_tokens_are_counted(claude):
    small = await claude.messages.count_tokens(model="m", messages=HELLO)
    large = await claude.messages.count_tokens(model="m", messages=HELLO, system="be brief. " * 100, tools=TOOLS)
    check_shape(small)
    assert large.input_tokens > small.input_tokens + 200


async def test_models_are_listed_in_anthropics_form(fake, claude):
    fake.memory.models = ["claude-fake", "other"]
    models = await claude.models.list()
    for model in models.data:
        check_shape(model)
    assert [model.id for model in models.data] == ["claude-fake", "other"]
    assert (await claude.models.retrieve("other")).id == "other"


@pytest.mark.parametrize(
    ("wish", "error", "kind"),
    [
        ("status=429,retry_after=2", anthropic.RateLimitError, "rate_limit_error"),
        ("status=529", anthropic.InternalServerError, "overloaded_error"),
        ("status=401", anthropic.AuthenticationError, "authentication_error"),
        ("error_event=3", anthropic.APIStatusError, "overloaded_error"),
    ],
)
async def test_errors_are_anthropics(claude, wish, error, kind):
    with pytest.raises(error) as raised:
        await read_events(claude, wish)
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["type"] == kind
