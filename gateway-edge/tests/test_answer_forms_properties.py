"""Whatever is streamed or told whole: the other form says the same, and garbage has none and breaks nothing."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway_edge.caching.forms import Form, Shown, find_ends, show
from runestone.cache.v1.cache_pb2 import Answer
from runestone.common.v1.usage_pb2 import Usage

UNARY, STREAM, METERED = Form(is_stream=False), Form(is_stream=True), Form(is_stream=True, wants_usage=True)
FORMS = (UNARY, STREAM, METERED)
EVENTS = "text/event-stream"
COUNTED = Usage(input_tokens=3, output_tokens=4)

TEXTS = st.text(max_size=12)
WORDS = st.text(min_size=1, max_size=8)
CALLS = st.builds(
    lambda number, name, given: {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": name, "arguments": given},
    },
    st.integers(0, 99),
    WORDS,
    TEXTS,
)
ROWS = st.builds(
    lambda token, logprob: {"token": token, "logprob": logprob, "bytes": None, "top_logprobs": []},
    WORDS,
    st.floats(-100, 0),
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | TEXTS)}
    for name, values in {
        "refusal": st.none() | TEXTS,
        "reasoning_content": st.none() | TEXTS,
        "tool_calls": st.lists(CALLS, max_size=3),
        "mood": st.none() | st.integers(-(2**63), 2**63) | st.lists(st.integers(0, 9), min_size=1),
    }.items():
        if draw(st.booleans()):
            message[name] = draw(values)
    return message


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    choices = [
        {
            "index": index,
            "message": message,
            "logprobs": draw(st.none() | st.builds(lambda rows: {"content": rows, "refusal": None}, st.lists(ROWS))),
            "finish_reason": draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"])),
        }
        for index, message in enumerate(draw(st.lists(messages(), min_size=1, max_size=3)))
    ]
    head = {
        "id": draw(WORDS),
        "object": "chat.completion",
        "created": draw(st.integers(0, 2**63)),
        "model": draw(WORDS),
    }
    return {**head, "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}


def cut(draw: st.DrawFn, text: str) -> list[str]:
    """`text` in pieces, some of which may be empty."""
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


@st.composite
def streams(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A provider's chunks for one choice: texts and arguments in pieces of any size."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": draw(st.sampled_from(["", None]))}]
    for name in draw(st.permutations(["content", "reasoning_content", "refusal"])):
        deltas += [{name: piece} for piece in cut(draw, draw(TEXTS))]
    for index, call in enumerate(draw(st.lists(CALLS, max_size=2))):
        first, *pieces = cut(draw, call["function"]["arguments"])
        deltas.append({"tool_calls": [{"index": index, **call, "function": {**call["function"], "arguments": first}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    steps = [(delta, None) for delta in deltas] + [({}, "stop")]
    return [
        {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        for delta, finish in steps
    ]


def written(chunks: list[dict[str, Any]]) -> bytes:
    return b"".join(b"data: %b\n\n" % orjson.dumps(chunk) for chunk in chunks) + b"data: [DONE]\n\n"


def read(body: bytes) -> list[Any]:
    return [orjson.loads(event[6:]) for event in body.split(b"\n\n")[:-2]]


def message_of(completion: ChatCompletion) -> Any:
    """The SDK does not keep apart what is null and what is absent, and leaves calls their index."""
    return completion.choices[0].message.model_dump(exclude_none=True, exclude={"tool_calls": {"__all__": {"index"}}})


def accumulated(chunks: list[Any]) -> ChatCompletion:
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return state.current_completion_snapshot


def answer_of(it: Shown) -> Answer:
    return Answer(body=it.body, content_type=it.content_type, ends=it.ends)


def converted(answer: Answer, form: Form) -> Shown:
    it = show(answer, form)
    assert it is not None
    return it


@settings(deadline=None)
@given(documents())
def test_a_document_that_was_streamed_is_the_document(document: dict[str, Any]):
    kept = Answer(body=orjson.dumps(document), content_type="application/json")
    back = converted(answer_of(converted(kept, METERED)), UNARY)
    assert orjson.loads(back.body) == document


@settings(deadline=None)
@given(streams())
def test_the_sdk_reads_the_same_message_in_a_stream_in_its_document_and_in_that_documents_stream(chunks: list[Any]):
    kept = Answer(body=written(chunks), content_type=EVENTS)
    whole = converted(kept, UNARY)
    again = converted(answer_of(whole), STREAM)
    message = message_of(ChatCompletion.model_validate_json(whole.body))
    assert message_of(accumulated(chunks)) == message
    assert message_of(accumulated(read(again.body))) == message


@settings(deadline=None)
@given(streams())
def test_a_stream_with_usage_put_in_and_left_out_again_is_the_stream(chunks: list[Any]):
    body = written(chunks)
    kept = Answer(body=body, content_type=EVENTS, ends=find_ends(body), usage=COUNTED)
    metered = converted(kept, METERED)
    assert metered.body != body
    assert converted(answer_of(metered), STREAM) == Shown(body, EVENTS, tuple(find_ends(body)))


NAMES = (
    "choices delta message index content tool_calls function arguments finish_reason logprobs usage error object role"
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.sampled_from(["", "a", "stop"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None)
@given(st.lists(ANYTHING, max_size=4), st.sampled_from(FORMS))
def test_no_json_breaks_it(values: list[Any], form: Form):
    body = written(values)
    for answer in (
        Answer(body=body, content_type=EVENTS, usage=COUNTED),
        Answer(body=orjson.dumps(values[0] if values else None), content_type="application/json"),
    ):
        it = show(answer, form)
        assert it is None or not it.ends or it.ends[-1] == len(it.body)


@settings(deadline=None)
@given(
    st.binary(max_size=60),
    st.lists(st.integers(0, 70), max_size=4),
    st.sampled_from(FORMS),
    st.sampled_from([EVENTS, ""]),
)
def test_no_bytes_break_it(body: bytes, ends: list[int], form: Form, content_type: str):
    it = show(Answer(body=body, content_type=content_type, ends=ends), form)
    assert it is None or it.body == body


@settings(deadline=None, max_examples=300)
@given(streams(), st.data())
def test_a_damaged_stream_is_shown_as_a_sound_document_or_not_at_all(chunks: list[Any], data: st.DataObject):
    body = bytearray(written(chunks))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    it = show(Answer(body=bytes(body), content_type=EVENTS), UNARY)
    assert it is None or orjson.loads(it.body)["choices"]
