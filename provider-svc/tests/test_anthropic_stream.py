"""Anthropic's event streams become OpenAI's, however the network cuts them, and never look whole when they are not."""

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.relay import Relay
from provider_svc.anthropic.stream import ChatStream
from provider_svc.provider import Chunk, Meter

GOLDEN = Path(__file__).parent / "golden_anthropic" / "streams"
NAMES = sorted(path.name.removesuffix(".messages.sse") for path in GOLDEN.glob("*.messages.sse"))
CREATED = 1_800_000_000
START = b'data: {"type":"message_start","message":{"id":"msg_01","model":"claude-x","usage":{"input_tokens":5}}}\n\n'
HELLO = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n'
STOP = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n'
END = b'data: {"type":"message_stop"}\n\n'


def upstream(name: str) -> bytes:
    return (GOLDEN / f"{name}.messages.sse").read_bytes()


def relay_to(meter: Meter, chunks: list[Chunk], *, include_usage: bool = False) -> Relay:
    return Relay(ChatStream(created=CREATED, include_usage=include_usage, meter=meter), chunks.append)


def translate(blocks: list[bytes], *, include_usage: bool = False) -> tuple[list[Chunk], Meter]:
    meter = Meter()
    chunks: list[Chunk] = []
    feed_all(relay_to(meter, chunks, include_usage=include_usage), blocks)
    return chunks, meter


def fail(*blocks: bytes) -> tuple[bytes, RunestoneError]:
    """What the client got before the failure, and the failure."""
    chunks: list[Chunk] = []
    with pytest.raises(RunestoneError) as caught:
        feed_all(relay_to(Meter(), chunks), blocks)
    return b"".join(chunk.body for chunk in chunks), caught.value


def feed_all(relay: Relay, blocks: Iterable[bytes]) -> None:
    for block in blocks:
        relay.feed(block)
    relay.end()


def parsed(body: bytes) -> list[ChatCompletionChunk]:
    """The chunks as OpenAI's SDK types them; raises for what they would not be."""
    events = body.decode().split("\n\n")[:-1]
    assert all(event.startswith("data: ") for event in events)
    return [
        ChatCompletionChunk.model_validate_json(event[6:], strict=True) for event in events if event != "data: [DONE]"
    ]


@pytest.mark.parametrize("name", NAMES)
def test_stream_is_translated_as_its_golden_file_says(name):
    chunks, _ = translate([upstream(name)], include_usage=name.endswith("_with_usage"))
    assert b"".join(chunk.body for chunk in chunks) == (GOLDEN / f"{name}.chat.sse").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_events_that_are_there_together_travel_together_with_their_ends(name):
    [chunk], _ = translate([upstream(name)])
    assert chunk.ends == tuple(match.end() for match in re.finditer(rb"\n\n", chunk.body))


@given(name=st.sampled_from(NAMES), cuts=st.lists(st.integers(0, 4_000)), include_usage=st.booleans())
def test_any_cutting_of_the_stream_gives_the_same_answer(name, cuts, include_usage):
    whole = upstream(name)
    places = sorted({0, len(whole), *(cut % len(whole) for cut in cuts)})
    blocks = [whole[start:end] for start, end in pairwise(places)]
    expected, expected_meter = translate([whole], include_usage=include_usage)
    chunks, meter = translate(blocks, include_usage=include_usage)
    assert b"".join(chunk.body for chunk in chunks) == b"".join(chunk.body for chunk in expected)
    assert meter == expected_meter


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("include_usage", [False, True])
def test_every_chunk_is_one_of_openais(name, include_usage):
    [chunk], meter = translate([upstream(name)], include_usage=include_usage)
    assert chunk.body.endswith(b"data: [DONE]\n\n")
    chunks = parsed(chunk.body)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert {(item.id, item.created) for item in chunks} == {("msg_01", CREATED)}
    finished = [item.choices[0].finish_reason for item in chunks if item.choices and item.choices[0].finish_reason]
    assert finished == [meter.finish_reason]


@pytest.mark.parametrize("name", NAMES)
def test_usage_chunk_comes_last_and_only_when_asked_for(name):
    [without], _ = translate([upstream(name)])
    assert b'"usage"' not in without.body
    [asked], meter = translate([upstream(name)], include_usage=True)
    *chunks, last = parsed(asked.body)
    assert all(chunk.choices and chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks)
    assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (
        meter.usage.input_tokens,
        meter.usage.output_tokens,
    )


def test_input_tokens_include_what_the_prompt_cache_answered_and_kept():
    _, meter = translate([upstream("text_with_usage")])
    usage = meter.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens) == (142, 100, 30)


def test_counts_that_were_not_reported_stay_absent():
    _, meter = translate([upstream("text")])
    assert not meter.usage.HasField("cache_read_input_tokens")
    assert not meter.usage.HasField("reasoning_output_tokens")


def test_call_that_ends_early_is_metered_as_far_as_it_came():
    meter = Meter()
    relay_to(meter, []).feed(START + HELLO)
    assert meter.usage.input_tokens == 5
    assert meter.finish_reason == ""


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("younger_than_this_test", "stop"),
    ],
)
def test_stop_reason_becomes_openais_finish_reason(stop_reason, expected):
    _, meter = translate([START, STOP.replace(b"end_turn", stop_reason.encode()), END])
    assert meter.finish_reason == expected


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("overloaded_error", Reason.PROVIDER_OVERLOADED),
        ("rate_limit_error", Reason.PROVIDER_RATE_LIMITED),
        ("invalid_request_error", Reason.PROVIDER_REFUSED),
        ("authentication_error", Reason.PROVIDER_CREDENTIALS_REFUSED),
        ("api_error", Reason.PROVIDER_FAILED),
        ("younger_than_this_test", Reason.PROVIDER_FAILED),
    ],
)
def test_error_event_ends_the_stream_with_its_reason(kind, reason):
    event = b'event: error\ndata: {"type":"error","error":{"type":"%b","message":"Oh."}}\n\n' % kind.encode()
    got, error = fail(START + HELLO + event + STOP + END)
    assert (error.reason, error.code) == (reason, "" if reason is Reason.PROVIDER_CREDENTIALS_REFUSED else kind)
    assert b"Hello" in got
    assert b"[DONE]" not in got


@pytest.mark.parametrize("blocks", [[], [START], [START, HELLO], [START, HELLO, STOP], [START, HELLO, STOP, END[:-1]]])
def test_stream_that_stops_before_its_end_is_cut(blocks):
    got, error = fail(*blocks)
    assert error.reason is Reason.PROVIDER_STREAM_CUT
    assert b"[DONE]" not in got


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {\n\n",
        b"data: garbage\n\n",
        b"data: [DONE]\n\n",
        b"data: [1]\n\n",
        b"data: " + b"[" * 100_000 + b"]" * 100_000 + b"\n\n",
        b'data: {"type": 7}\n\n',
        b'data: {"type":"content_block_delta","index":0}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xff"}}\n\n',
        b'data: {"type":"error"}\n\n',
        START,
        END,
    ],
)
def test_garbage_is_an_invalid_answer_after_what_came_before(garbage):
    got, error = fail(START + HELLO + garbage + STOP + END)
    assert error.reason is Reason.PROVIDER_INVALID_ANSWER
    assert [chunk.choices[0].delta.content for chunk in parsed(got)] == ["", "Hello"]


def test_block_before_the_messages_start_is_an_invalid_answer():
    got, error = fail(HELLO + START)
    assert (got, error.reason) == (b"", Reason.PROVIDER_INVALID_ANSWER)


def test_end_in_the_middle_of_a_tool_call_is_an_invalid_answer():
    block = b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f"}}'
    got, error = fail(START + b"data: " + block + b"\n\n" + STOP + END)
    assert error.reason is Reason.PROVIDER_INVALID_ANSWER
    assert b"[DONE]" not in got


def test_document_instead_of_a_stream_says_what_its_error_is():
    got, error = fail(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
    assert (got, error.reason, error.message) == (b"", Reason.PROVIDER_OVERLOADED, "Overloaded")


def test_what_comes_after_the_end_is_ignored():
    chunks, _ = translate([START + STOP + END + HELLO + b"data: garbage\n\n"])
    assert chunks[-1].body.endswith(b"data: [DONE]\n\n")


BLOCKS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.lists(st.text(min_size=1), min_size=1)),
        st.tuples(st.just("thinking"), st.lists(st.text(min_size=1), min_size=1)),
        st.tuples(st.just("tool_use"), st.dictionaries(st.text(), st.text())),
    )
)


@given(blocks=BLOCKS)
def test_pieces_add_up_to_what_the_model_wrote(blocks):
    """Text, thinking and each call's arguments arrive whole and in order, whatever the mixture of blocks."""
    events = [START]
    for index, (kind, content) in enumerate(blocks):
        events += [sse(event) for event in block_events(index, kind, content)]
    [chunk], _ = translate([b"".join([*events, STOP, END])])
    deltas = [item.choices[0].delta for item in parsed(chunk.body)]
    calls: dict[int, str] = {}
    for delta in deltas:
        for call in delta.tool_calls or ():
            calls[call.index] = calls.get(call.index, "") + call.function.arguments
    said = "".join(delta.content or "" for delta in deltas)
    thought = "".join((delta.model_extra or {}).get("reasoning_content", "") for delta in deltas)
    assert said == "".join("".join(pieces) for kind, pieces in blocks if kind == "text")
    assert thought == "".join("".join(pieces) for kind, pieces in blocks if kind == "thinking")
    assert list(calls) == list(range(len(calls)))
    assert [msgspec.json.decode(call) for call in calls.values()] == [
        item for kind, item in blocks if kind == "tool_use"
    ]


def block_events(index: int, kind: str, content: object) -> list[object]:
    if kind == "tool_use":
        block = {"type": kind, "id": f"t{index}", "name": "f", "input": {}}
        text = msgspec.json.encode(content).decode()
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in (text[:3], text[3:])]
    else:
        block = {"type": kind, kind: ""}
        deltas = [{"type": f"{kind}_delta", kind: piece} for piece in content]
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def sse(event: object) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"
