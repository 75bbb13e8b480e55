"""Chat Completions of the fake provider, as the official SDK reads them."""

import base64
import json

import openai
import pytest
from sdk_shapes import check_shape

HELLO = [{"role": "user", "content": "hello"}]
PNG = base64.b64encode(b"\x89PNG not really").decode()
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


def function(name):
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA}}


TOOLS = [function("weather"), function("tides")]


async def ask(gpt, model, **members):
    """The whole answer, and the same as a stream's fold."""
    whole = await gpt.chat.completions.create(model=model, messages=members.pop("messages", HELLO), **members)
    check_shape(whole, allowed=frozenset({"reasoning_content"}))
    return whole


async def read_chunks(gpt, model, **members):
    stream = await gpt.chat.completions.create(
        model=model,
        messages=members.pop("messages", HELLO),
        stream=True,
        stream_options={"include_usage": True},
        **members,
    )
    chunks = [chunk async for chunk in stream]
    for chunk in chunks:
        check_shape(chunk, allowed=frozenset({"reasoning_content", "annotations"}))
    return chunks


def joined(chunks, member):
    return "".join(getattr(chunk.choices[0].delta, member, None) or "" for chunk in chunks if chunk.choices)


async def test_a_text_is_the_same_whole_and_streamed(gpt):
    whole, chunks = await ask(gpt, "words=5"), await read_chunks(gpt, "words=5")
    assert whole.choices[0].message.content == "rain ström 水 leaf naïve" == joined(chunks, "content")
    assert whole.choices[0].finish_reason == "stop" == chunks[-2].choices[0].finish_reason
    assert whole.usage == chunks[-1].usage
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens) == (11, 5, 16)
    assert whole.usage.prompt_tokens_details.cached_tokens == 4


async def test_what_is_to_be_said_can_be_wished(gpt):
    assert (await ask(gpt, "say=all is well")).choices[0].message.content == "all is well"


@pytest.mark.parametrize("mixed", ["", ",mixed"])
async def test_parallel_calls_hold_arguments_that_their_schemas_allow(gpt, mixed):
    """In a stream their pieces may take turns; what they make is the same."""
    whole = await ask(gpt, f"calls=2{mixed}", tools=TOOLS)
    called = whole.choices[0].message.tool_calls
    assert [call.function.name for call in called] == ["weather", "tides"]
    assert json.loads(called[0].function.arguments) == {"city": "rain ström 水", "days": 1}
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.choices[0].message.content is None
    made = {}
    order = []
    for chunk in await read_chunks(gpt, f"calls=2{mixed}", tools=TOOLS):
        for delta in (chunk.choices[0].delta.tool_calls or ()) if chunk.choices else ():
            order.append(delta.index)
            made.setdefault(delta.index, []).append(delta.function.arguments)
    assert ["".join(pieces) for pieces in made.values()] == [call.function.arguments for call in called]
    assert (order == sorted(order)) is not bool(mixed)


@pytest.mark.parametrize(
    ("members", "names"),
    [
        ({}, []),
        ({"tool_choice": "required"}, ["weather"]),
        ({"tool_choice": {"type": "function", "function": {"name": "tides"}}}, ["tides"]),
    ],
)
async def test_a_tool_is_called_where_the_choice_forces_it(gpt, members, names):
    message = (await ask(gpt, "words=3", tools=TOOLS, **members)).choices[0].message
    assert [call.function.name for call in message.tool_calls or ()] == names


async def test_no_more_calls_than_are_allowed(gpt):
    one = await ask(gpt, "calls=2", tools=TOOLS, parallel_tool_calls=False)
    assert len(one.choices[0].message.tool_calls) == 1
    none = await ask(gpt, "calls=2", tools=TOOLS, tool_choice="none")
    assert none.choices[0].message.tool_calls is None


async def test_a_tool_loop_ends_by_itself_and_repeats_its_results(gpt):
    """Two rounds of calls, then words that say what the tools gave."""
    messages = list(HELLO)
    for _ in range(2):
        answer = await ask(gpt, "calls=1,rounds=2,words=2", tools=TOOLS, messages=messages)
        (call,) = answer.choices[0].message.tool_calls
        messages += [
            answer.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
        ]
    last = await ask(gpt, "calls=1,rounds=2,words=2", tools=TOOLS, messages=messages)
    assert last.choices[0].message.content == f"[result of {call.id}: 21 degrees] rain ström"
    assert len({each["tool_call_id"] for each in messages if each["role"] == "tool"}) == 2


async def test_a_custom_tool_is_called_with_text(gpt):
    tool = {"type": "custom", "custom": {"name": "patch"}}
    (call,) = (await ask(gpt, "calls=1", tools=[tool])).choices[0].message.tool_calls
    assert (call.type, call.custom.name, call.custom.input.split()[0]) == ("custom", "patch", "rain")


async def test_structured_output_has_the_shape_that_was_asked_for(gpt):
    shape = {"type": "json_schema", "json_schema": {"name": "w", "schema": SCHEMA, "strict": True}}
    whole, chunks = (
        await ask(gpt, "m", response_format=shape),
        await read_chunks(gpt, "m", response_format=shape),
    )
    assert json.loads(whole.choices[0].message.content) == {"city": "rain ström 水", "days": 1}
    assert joined(chunks, "content") == whole.choices[0].message.content
    assert isinstance(
        json.loads((await ask(gpt, "m", response_format={"type": "json_object"})).choices[0].message.content), dict
    )


async def test_what_was_shown_is_described(gpt):
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}},
    ]
    answer = await ask(gpt, "words=1", messages=[{"role": "user", "content": content}])
    expected = (
        "[image/png 15 bytes] [at https://example.com/a.png] [audio/wav 15 bytes] [application/pdf 15 bytes] rain"
    )
    assert answer.choices[0].message.content == expected


async def test_thinking_is_counted_and_told_only_where_a_compatible_maker_would(gpt):
    answer = await ask(gpt, "words=2", reasoning_effort="low")
    assert answer.usage.completion_tokens_details.reasoning_tokens == 4
    assert answer.usage.completion_tokens == 6
    assert answer.choices[0].message.content == "rain ström"
    told = "words=2,think=3,reasoning_field=reasoning_content"
    whole, chunks = await ask(gpt, told), await read_chunks(gpt, told)
    assert whole.choices[0].message.reasoning_content == "hmm könnte 思" == joined(chunks, "reasoning_content")


async def test_a_refusal_stands_in_its_own_member(gpt):
    whole, chunks = await ask(gpt, "refuse"), await read_chunks(gpt, "refuse")
    assert whole.choices[0].message.refusal == "I cannot help with that." == joined(chunks, "refusal")
    assert whole.choices[0].message.content is None


async def test_logprobs_are_of_the_tokens(gpt):
    whole = await ask(gpt, "words=3", logprobs=True, top_logprobs=2)
    chunks = await read_chunks(gpt, "words=3", logprobs=True, top_logprobs=2)
    tokens = whole.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == whole.choices[0].message.content
    assert bytes(tokens[1].bytes).decode() == tokens[1].token == " ström"
    assert len(tokens[0].top_logprobs) == 2
    streamed = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices and chunk.choices[0].logprobs]
    assert [each.content[0] for each in streamed] == tokens


@pytest.mark.parametrize(
    ("model", "members", "finish", "content"),
    [
        ("words=5", {"max_tokens": 2}, "length", "rain ström"),
        ("words=5", {"max_completion_tokens": 5}, "stop", "rain ström 水 leaf naïve"),
        ("words=5", {"stop": ["leaf"]}, "stop", "rain ström 水 "),
        ("words=2,finish=filter", {}, "content_filter", "rain ström"),
        ("words=2,finish=length", {}, "length", "rain ström"),
    ],
)
async def test_answers_end_where_they_are_bounded(gpt, model, members, finish, content):
    choice = (await ask(gpt, model, **members)).choices[0]
    assert (choice.finish_reason, choice.message.content) == (finish, content)


async def test_several_choices_are_given_and_streamed(gpt):
    assert [choice.index for choice in (await ask(gpt, "words=1", n=3)).choices] == [0, 1, 2]
    chunks = await read_chunks(gpt, "words=1", n=2)
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}


async def test_a_source_is_cited(gpt):
    (annotation,) = (await ask(gpt, "cite")).choices[0].message.annotations
    assert annotation.url_citation.url == "https://example.com/rain"


async def test_azures_paths_name_the_model(fake, raw):
    async with raw.post(
        "/openai/deployments/words=2/chat/completions?api-version=2024-10-21", json={"messages": HELLO}
    ) as answer:
        document = await answer.json()
    assert document["model"] == "words=2"
    assert document["choices"][0]["message"]["content"] == "rain ström"
    assert fake.exchanges[0].query == {"api-version": "2024-10-21"}


async def test_an_sdk_stream_helper_folds_to_the_whole(gpt):
    async with gpt.chat.completions.stream(model="calls=2,preamble", messages=HELLO, tools=TOOLS) as stream:
        folded = await stream.get_final_completion()
    assert [call.function.name for call in folded.choices[0].message.tool_calls] == ["weather", "tides"]
    assert folded.choices[0].message.content.startswith("rain")


async def test_errors_are_openais(gpt):
    with pytest.raises(openai.RateLimitError) as error:
        await ask(gpt, "status=429,retry_after=2")
    assert error.value.code == "fake_429"
    assert error.value.response.headers["retry-after"] == "2"
