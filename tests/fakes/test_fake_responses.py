"""Responses of the fake provider, as the official SDK reads them."""

import base64
import json
from itertools import pairwise

import openai
import pytest
from sdk_shapes import check_shape

PNG = base64.b64encode(b"\x89PNG not really").decode()
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": True} for name in ("weather", "tides")]
UNTYPED = frozenset({"store"})  # the API says it, the SDK's types do not
SEALED = ["reasoning.encrypted_content"]


async def ask(gpt, model, given="hello", **members):
    whole = await gpt.responses.create(model=model, input=given, **members)
    check_shape(whole, allowed=UNTYPED)
    return whole


async def read_events(gpt, model, given="hello", **members):
    """A stream's events, each true to its type, numbered without a gap."""
    stream = await gpt.responses.create(model=model, input=given, stream=True, **members)
    events = [event async for event in stream]
    for event in events:
        check_shape(event, allowed=UNTYPED)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return events


def kinds(events):
    """Their types without the prefix, repeated ones once."""
    names = [event.type.removeprefix("response.") for event in events]
    return [name for before, name in pairwise(["", *names]) if name != before]


async def test_a_text_comes_in_the_order_of_events(gpt):
    events = await read_events(gpt, "words=3")
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    whole = await ask(gpt, "words=3")
    assert whole.output_text == "rain ström 水" == events[-1].response.output_text
    assert "".join(event.delta for event in events if event.type.endswith("text.delta")) == whole.output_text
    assert whole.usage == events[-1].response.usage
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (11, 3)
    assert whole.usage.input_tokens_details.cached_tokens == 4


async def test_thinking_is_summarised_and_sealed_where_that_is_asked_for(gpt):
    asked = {"reasoning": {"effort": "low", "summary": "auto"}, "include": SEALED}
    events = await read_events(gpt, "words=2", **asked)
    assert kinds(events)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    thought = (await ask(gpt, "words=2", **asked)).output[0]
    assert thought.summary[0].text == "hmm könnte 思 maybe"
    assert thought.encrypted_content
    assert events[-1].response.usage.output_tokens_details.reasoning_tokens == 4
    bare = (await ask(gpt, "words=2", reasoning={"effort": "low"})).output[0]
    assert (bare.type, bare.summary, bare.encrypted_content) == ("reasoning", [], None)


async def test_an_open_model_tells_its_reasoning_itself(gpt):
    events = await read_events(gpt, "words=1,think=2,reasoning_text")
    assert "reasoning_text.delta" in kinds(events)
    assert events[-1].response.output[0].content[0].text == "hmm könnte"


async def test_parallel_calls_are_items_of_their_own(gpt):
    events = await read_events(gpt, "calls=2", tools=TOOLS)
    first, second = events[-1].response.output
    assert (first.name, second.name) == ("weather", "tides")
    assert json.loads(first.arguments) == {"city": "rain ström 水"}
    deltas = [event.delta for event in events if event.type.endswith("arguments.delta") and event.output_index == 0]
    assert "".join(deltas) == first.arguments
    assert first.id != first.call_id != second.call_id


@pytest.mark.parametrize("has_store", [True, False])
async def test_a_tool_loop_hands_back_what_it_was_given(gpt, has_store):
    """By the id of the response before, or item by item with sealed thoughts."""
    asked = {"tools": TOOLS, "reasoning": {"effort": "low"}, "include": SEALED, "store": has_store}
    first = await ask(gpt, "calls=1,words=1", **asked)
    call = first.output[-1]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    if has_store:
        second = await ask(gpt, "calls=1,words=1", [output], previous_response_id=first.id, **asked)
    else:
        items = [item.model_dump(exclude_none=True) for item in first.output]
        given = [{"role": "user", "content": "hello"}, *items, output]
        second = await ask(gpt, "calls=1,words=1", given, **asked)
    assert second.output_text == f"[result of {call.call_id}: 21 degrees] rain"


async def test_a_custom_tool_is_called_with_text(gpt):
    events = await read_events(gpt, "calls=1", tools=[{"type": "custom", "name": "patch"}])
    assert "custom_tool_call_input.delta" in kinds(events)
    assert events[-1].response.output[0].input.startswith("rain")


async def test_a_refusal_has_events_of_its_own(gpt):
    events = await read_events(gpt, "refuse")
    assert {"refusal.delta", "refusal.done"} <= set(kinds(events))
    assert events[-1].response.output[0].content[0].refusal == "I cannot help with that."


@pytest.mark.parametrize(
    ("model", "members", "reason"),
    [
        ("words=20", {"max_output_tokens": 16}, "max_output_tokens"),
        ("finish=filter", {}, "content_filter"),
    ],
)
async def test_an_incomplete_response_says_why(gpt, model, members, reason):
    whole, events = await ask(gpt, model, **members), await read_events(gpt, model, **members)
    assert (whole.status, whole.incomplete_details.reason) == ("incomplete", reason)
    assert kinds(events)[-1] == "incomplete"
    assert whole.output[-1].status == "incomplete"


async def test_structured_output_has_the_shape_that_was_asked_for(gpt):
    shape = {"format": {"type": "json_schema", "name": "w", "schema": SCHEMA, "strict": True}}
    assert json.loads((await ask(gpt, "m", text=shape)).output_text) == {"city": "rain ström 水"}


async def test_logprobs_come_where_they_are_included(gpt):
    include = ["message.output_text.logprobs"]
    events = await read_events(gpt, "words=2", include=include, top_logprobs=1)
    content = events[-1].response.output[0].content[0]
    assert "".join(odds.token for odds in content.logprobs) == content.text
    assert [event.logprobs[0].token for event in events if event.type.endswith("text.delta")] == ["rain", " ström"]


async def test_what_was_shown_is_described(gpt):
    content = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"},
    ]
    answer = await ask(gpt, "words=1", [{"role": "user", "content": content}])
    assert answer.output_text == "[image/png 15 bytes] [application/pdf 15 bytes] rain"


async def test_a_source_is_cited(gpt):
    events = await read_events(gpt, "cite")
    assert "output_text.annotation.added" in kinds(events)
    assert events[-1].response.output[0].content[0].annotations[0].url == "https://example.com/rain"


async def test_what_is_stored_is_read_cancelled_and_forgotten(gpt):
    kept = await ask(gpt, "words=1", background=True)
    assert kept.status == "queued"
    assert (await gpt.responses.retrieve(kept.id)).status == "completed"
    assert (await gpt.responses.cancel(kept.id)).status == "cancelled"
    await gpt.responses.delete(kept.id)
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(kept.id)


async def test_what_is_stored_is_read_again_as_the_stream_that_it_was(gpt):
    events = await read_events(gpt, "words=3")
    kept = events[-1].response
    again = [event async for event in await gpt.responses.retrieve(kept.id, stream=True)]
    assert again == events
    rest = [event async for event in await gpt.responses.retrieve(kept.id, stream=True, starting_after=4)]
    assert rest == events[5:]


async def test_a_stream_is_stored_from_its_first_event_on(gpt):
    stream = await gpt.responses.create(model="words=3,pace=20ms", input="hello", stream=True)
    first = await anext(stream)
    assert (await gpt.responses.retrieve(first.response.id)).status == "in_progress"
    assert [event async for event in stream][-1].response.status == "completed"
    assert (await gpt.responses.retrieve(first.response.id)).status == "completed"


async def test_what_a_response_answers_comes_in_pages(gpt):
    given = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    kept = await ask(gpt, "words=1", given)
    page = await gpt.responses.input_items.list(kept.id, limit=2, order="asc")
    check_shape(page, allowed=frozenset({"object", "first_id", "last_id"}))  # the API says them, the SDK does not ask
    assert [[part.text for part in item.content] for item in page.data] == [["one"], ["two"]]
    assert [item.content[0].text async for item in gpt.responses.input_items.list(kept.id, limit=2)] == [
        "three",
        "two",
        "one",
    ]
    with pytest.raises(openai.BadRequestError, match="limit"):
        await gpt.responses.input_items.list(kept.id, limit=101)


@pytest.mark.parametrize("query", [{"colour": "red"}, {"limit": "2"}])
async def test_an_unknown_parameter_is_refused(gpt, query):
    kept = await ask(gpt, "words=1")
    with pytest.raises(openai.BadRequestError, match="Unknown parameter"):
        await gpt.responses.retrieve(kept.id, extra_query=query)


async def test_what_is_not_to_be_stored_is_not(gpt):
    answer = await ask(gpt, "words=1", store=False)
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(answer.id)


async def test_an_sdk_stream_helper_folds_to_the_whole(gpt):
    asked = {"tools": TOOLS, "reasoning": {"effort": "low", "summary": "auto"}}
    async with gpt.responses.stream(model="calls=2,preamble", input="hello", **asked) as stream:
        folded = await stream.get_final_response()
    assert [item.type for item in folded.output] == ["reasoning", "message", "function_call", "function_call"]


@pytest.mark.parametrize(("wish", "kind"), [("error_event=3", "error"), ("failed_event=3", "response.failed")])
async def test_a_stream_breaks_off_with_either_event(gpt, wish, kind):
    events = await read_events(gpt, wish)
    assert (len(events), events[-1].type) == (4, kind)
