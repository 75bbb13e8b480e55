"""What a stream used whose end nobody read."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.billing.estimate import SAMPLE, Passed, count_read, fill_in, measure_text
from runestone.common.v1.usage_pb2 import Usage


def event(data: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def chat(delta: object) -> bytes:
    return event(
        {"id": "chatcmpl-1", "obfuscation": "x" * 40, "choices": [{"index": 0, "delta": delta, "logprobs": None}]}
    )


def passed(*events: bytes) -> Passed:
    stream = Passed()
    for one in events:
        stream.add(one)
    return stream


TOOL = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{1}"}}]}
BLOCK = {"type": "content_block_delta", "index": 0}


@pytest.mark.parametrize(
    ("events", "size"),
    [
        (chat({"role": "assistant", "content": ""}), 0),
        (chat({"content": "four"}), 4),
        (chat({"reasoning_content": "think", "content": None}), 5),
        (chat({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}), 2),
        (chat({"content": "ärger"}), 6),
        (chat(TOOL), 4),
        (event({"choices": [{"text": "old", "index": 0}]}), 3),
        (event({"choices": [], "usage": {"completion_tokens": 3}}), 0),
        (event({"type": "response.output_text.delta", "delta": "abc", "item_id": "msg"}, "x"), 3),
        (event({"type": "response.output_text.done", "text": "abc"}), 0),
        (event({"type": "response.output_audio.delta", "delta": "QUJDRA=="}), 0),
        (event({**BLOCK, "delta": {"type": "text_delta", "text": "abcd"}}, "content_block_delta"), 4),
        (event({**BLOCK, "delta": {"type": "input_json_delta", "partial_json": "{}"}}), 2),
        (event({**BLOCK, "delta": {"type": "signature_delta", "signature": "EqQBCg"}}), 0),
        (event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}}), 0),
        (b": ping\n\n", 0),
        (b"data: [DONE]\n\n", 0),
        (b"data: {not json\n\n", 0),
        (b'data: "text"\n\n', 0),
        (b"data: " + b"[" * 100_000 + b"\n\n", 0),
    ],
)
def test_what_the_model_said_is_counted_and_nothing_else(events, size):
    assert measure_text(events) == size


def test_a_token_is_four_bytes_rounded_up():
    assert passed(chat({"content": "12345"})).count_tokens() == 2


def test_of_a_long_stream_the_beginning_speaks_for_the_rest():
    """Only so much is kept of it, and read once, at its end."""
    one = chat({"content": "12345678"})
    many = 10 * SAMPLE // len(one)
    assert passed(*[one] * many).count_tokens() == many * 2


def test_what_never_passed_was_not_said():
    assert passed().count_tokens() == 0


@given(st.binary(max_size=200))
def test_any_bytes_can_be_estimated(stream):
    assert 0 <= passed(stream).count_tokens() <= len(stream)


def test_a_request_is_read_about_four_bytes_a_token():
    assert count_read(b'{"messages": [{"role": "user", "content": "hello"}]}') == 13


def test_a_picture_is_not_read_letter_by_letter():
    """200 KB of base64 would otherwise be 50,000 tokens; nobody tokenizes a picture as text."""
    picture = b'{"url": "data:image/png;base64,' + b"iVBORw0KGgo" * 20_000 + b'"}'
    assert 1_000 < count_read(picture) < 1_020


@pytest.mark.parametrize("text", [b"word " * 1_000, "汉字".encode() * 1_000, b"line\\n" * 1_000])
def test_a_long_text_is_text(text):
    assert count_read(b'{"content": "' + text + b'"}') == -(-(len(text) + 15) // 4)


def test_what_the_provider_had_counted_stands():
    """Anthropic counts what it read before it writes, and then says 1 for what it will have written."""
    usage = fill_in(Usage(input_tokens=70, cache_read_input_tokens=40, output_tokens=1), [b"x" * 4000], passed())
    assert usage == Usage(input_tokens=70, cache_read_input_tokens=40, output_tokens=1, is_estimated=True)


def test_what_passed_is_counted_where_the_provider_had_said_less():
    said = Usage(input_tokens=70, output_tokens=1)
    usage = fill_in(said, [], passed(chat({"content": "x" * 80})))
    assert usage == Usage(input_tokens=70, output_tokens=20, is_estimated=True)
    assert said.output_tokens == 1


def test_where_the_provider_had_said_nothing_all_is_estimated():
    usage = fill_in(None, [b"x" * 40, b"y" * 40], passed(chat({"content": "x" * 8})))
    assert usage == Usage(input_tokens=20, output_tokens=2, is_estimated=True)


def test_counting_what_was_read_copies_nothing_of_it():
    """A client that sends millions of short strings, and leaves, must not cost their many times over in two processes."""
    document = b'{"input":[' + b",".join([b'"ab"'] * 100_000) + b"]}"
    tracemalloc.start()
    try:
        assert count_read(document) == -(-len(document) // 4)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


@given(st.lists(st.sampled_from(["a" * 1023, "a" * 1024, "A" * 5000, "a b" * 400, '\\"' * 600, "x", ""]), max_size=6))
def test_files_are_told_from_text_wherever_they_stand(strings):
    document = json.dumps(strings).encode()
    files = [string for string in strings if len(string) >= 1024 and set(string) <= set("aA")]
    text = len(document) - sum(map(len, files))
    assert count_read(document) == -(-text // 4) + 1_000 * len(files)
