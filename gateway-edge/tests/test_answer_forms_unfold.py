"""Documents as makers' APIs write them, streamed: what OpenAI's own SDK makes of the stream is the document."""

from typing import Any

import orjson
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway_edge.caching.forms import Form, Shown, show
from runestone.cache.v1.cache_pb2 import Answer

METERED = Form(is_stream=True, wants_usage=True)
USAGE = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28, "prompt_tokens_details": {"cached_tokens": 0}}
HEAD = {
    "id": "chatcmpl-B9oaK",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4o",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}


def document_of(*messages: Any, finish: str = "stop", **more: Any) -> Any:
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
        for index, message in enumerate(messages)
    ]
    return {**HEAD, "choices": choices, "usage": USAGE, **more}


def unfolded(body: bytes, form: Form = METERED) -> Shown | None:
    return show(Answer(body=body, content_type="application/json"), form)


def chunks_of(body: bytes, form: Form = METERED) -> list[Any]:
    it = unfolded(body, form)
    assert it is not None
    *events, done = [it.body[start:end] for start, end in zip((0, *it.ends), it.ends, strict=False)]
    assert done == b"data: [DONE]\n\n"
    assert all(event.startswith(b"data: ") and event.count(b"\n") == 2 for event in events)
    return [orjson.loads(event[6:]) for event in events]


def deltas_of(document: Any) -> list[Any]:
    return [choice["delta"] for chunk in chunks_of(orjson.dumps(document)) for choice in chunk["choices"]]


def accumulated(chunks: list[Any]) -> ChatCompletion:
    """What the SDK's own helper makes of a stream."""
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return state.current_completion_snapshot


def said(completion: ChatCompletion) -> Any:
    """All that it says. The SDK does not keep apart what is null and what is absent, and leaves calls their index."""
    calls = {"__all__": {"index"}}
    return completion.model_dump(
        exclude_none=True, exclude={"choices": {"__all__": {"message": {"tool_calls": calls}}}}
    )


CALLS = [
    {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"city": "Bern"}'}},
    {"id": "call_1", "type": "function", "function": {"name": "g", "arguments": ""}},
]
MESSAGES = {
    "text": {"role": "assistant", "content": 'two\nlines, "é" and 😀', "refusal": None, "annotations": []},
    "nothing": {"role": "assistant", "content": ""},
    "refusal": {"role": "assistant", "content": None, "refusal": "I won't."},
    "calls": {"role": "assistant", "content": None, "refusal": None, "tool_calls": CALLS},
    "text and calls": {"role": "assistant", "content": "Let me look.", "tool_calls": CALLS},
    "no calls": {"role": "assistant", "content": "no", "tool_calls": [], "function_call": None},
    "function call": {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
    "reasoning": {"role": "assistant", "reasoning_content": "Let me see.", "content": "9.8"},
    "unknown": {"role": "assistant", "content": "a", "mood": {"calm": 1.0}, "images": [{"url": "x"}]},
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_the_sdk_makes_the_document_of_the_stream(message: Any):
    document = document_of(message)
    parsed = ChatCompletion.model_validate(document)
    assert said(accumulated(chunks_of(orjson.dumps(document)))) == said(parsed)


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_the_stream_folds_back_to_the_document(message: Any):
    document = document_of(message, provider="Azure", citations=["a"])
    it = unfolded(orjson.dumps(document))
    assert it is not None
    back = show(Answer(body=it.body, content_type=it.content_type, ends=it.ends), Form(is_stream=False))
    assert back is not None
    assert orjson.loads(back.body) == document


def test_the_sdk_parses_the_folded_stream_as_it_accumulates_it():
    document = document_of(*MESSAGES.values(), finish="length")
    it = unfolded(orjson.dumps(document))
    assert it is not None
    back = show(Answer(body=it.body, content_type=it.content_type), Form(is_stream=False))
    assert back is not None
    parsed = ChatCompletion.model_validate_json(back.body)
    assert said(accumulated(chunks_of(orjson.dumps(document)))) == said(parsed)


def test_the_role_comes_first_then_thought_then_text_then_calls_then_the_finish():
    message = {
        "role": "assistant",
        "content": "See:",
        "reasoning_content": "hm",
        "refusal": None,
        "tool_calls": CALLS[:1],
    }
    opening = {"index": 0, **CALLS[0], "function": {"name": "f", "arguments": ""}}
    filling = {"index": 0, "function": {"arguments": '{"city": "Bern"}'}}
    assert deltas_of(document_of(message, finish="tool_calls")) == [
        {"role": "assistant", "content": "", "refusal": None},
        {"reasoning_content": "hm"},
        {"content": "See:"},
        {"tool_calls": [opening]},
        {"tool_calls": [filling]},
        {},
    ]


def test_every_chunk_says_what_openai_repeats_and_the_first_what_it_does_not():
    first, *others = chunks_of(orjson.dumps(document_of(MESSAGES["text"], x_groq={"id": "req_1"})))
    repeated = {**HEAD, "object": "chat.completion.chunk"}
    assert {name: first[name] for name in first if name not in {"choices", "usage"}} == {
        **repeated,
        "x_groq": {"id": "req_1"},
    }
    for chunk in others:
        assert {name: chunk[name] for name in chunk if name not in {"choices", "usage"}} == repeated


def test_usage_is_null_but_in_its_own_chunk_when_it_is_asked_for_and_absent_when_it_is_not():
    body = orjson.dumps(document_of(MESSAGES["text"]))
    *others, last = chunks_of(body)
    assert [chunk["usage"] for chunk in others] == [None] * 3
    assert (last["choices"], last["usage"]) == ([], USAGE)
    assert not any("usage" in chunk for chunk in chunks_of(body, Form(is_stream=True)))


def test_logprobs_come_with_the_text_and_other_members_of_a_choice_with_the_finish():
    document = document_of(MESSAGES["text"])
    rows = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]
    document["choices"][0] |= {"logprobs": {"content": rows, "refusal": None}, "stop_reason": 7}
    choices = [choice for chunk in chunks_of(orjson.dumps(document)) for choice in chunk["choices"]]
    assert [choice["logprobs"] for choice in choices] == [None, {"content": rows, "refusal": None}, None]
    assert ["stop_reason" in choice for choice in choices] == [False, False, True]


def test_logprobs_of_a_refusal_are_not_lost():
    document = document_of(MESSAGES["refusal"])
    rows = [{"token": "I", "logprob": -0.5, "bytes": None, "top_logprobs": []}]
    document["choices"][0]["logprobs"] = {"content": None, "refusal": rows}
    streamed = accumulated(chunks_of(orjson.dumps(document)))
    assert streamed.choices[0].to_dict()["logprobs"] == {"content": None, "refusal": rows}


def test_calls_that_are_numbered_in_the_document_are_numbered_by_where_they_stand():
    numbered = [{**call, "index": 7} for call in CALLS]
    deltas = deltas_of(document_of({**MESSAGES["calls"], "tool_calls": numbered}))
    assert [call["index"] for delta in deltas for call in delta.get("tool_calls", [])] == [0, 0, 1, 1]


def test_a_document_on_many_lines_becomes_events_on_one():
    document = document_of(*MESSAGES.values())
    pretty = orjson.dumps(document, option=orjson.OPT_INDENT_2).replace(b"\n", b"\r\n")
    assert chunks_of(pretty) == chunks_of(orjson.dumps(document))


def test_numbers_and_escapes_keep_their_spelling_in_a_stream():
    body = (
        b'{"object":"chat.completion","created":1741569952.50,"seed":123456789012345678901234567890,"choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"a\\/\\u0041","rate":1.0},"finish_reason":"stop"}]}'
    )
    it = unfolded(body)
    assert it is not None
    for part in (
        b'"created":1741569952.50,',
        b'"seed":123456789012345678901234567890',
        b'"a\\/\\u0041"',
        b'"rate":1.0',
    ):
        assert part in it.body


GOOD = orjson.dumps(document_of(MESSAGES["text"]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        GOOD[:-1],
        GOOD + b"{}",
        GOOD.replace(b"chat.completion", b"text_completion"),
        GOOD.replace(b"{", b'{"error":{"message":"overloaded"},', 1),
        GOOD.replace(b'"index":0', b'"index":1'),
        GOOD.replace(b'"index":0,', b""),
        GOOD.replace(b'"finish_reason":"stop"', b'"finish_reason":null'),
        GOOD.replace(b'"finish_reason":"stop"', b'"finish_reason":"stop","error":{"code":502}'),
        GOOD.replace(b"two", b"\xff"),
        GOOD.replace(b"two", b"\\ud83d"),
        GOOD.replace(b"two", b"\n"),
        GOOD.replace(b'"annotations":[]', b'"annotations":' + b"[" * 5000 + b"]" * 5000),
        orjson.dumps(document_of()),
        orjson.dumps(document_of("text")),
        orjson.dumps(document_of({"role": "assistant", "content": None, "tool_calls": "f()"})),
        orjson.dumps(document_of({"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "new"}]})),
        orjson.dumps(document_of({"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {}}]})),
        orjson.dumps(document_of({"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": 1}]})),
    ],
)
def test_what_is_not_a_whole_completion_has_no_stream(body: bytes):
    assert unfolded(body) is None
