"""Streams whose events say their type: Responses, Messages, images and audio. Relayed as bytes, metered on the way."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.message import watch_message
from provider_svc.openai.media import watch_media
from provider_svc.openai.responses import watch_response
from provider_svc.provider import UpstreamCall
from provider_svc.relay import Relay


def named(**data):
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), orjson.dumps(data))


def unnamed(**data):
    return b"data: %b\n\n" % orjson.dumps(data)


def response(status, **more):
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
    usage["input_tokens_details"] = {"cached_tokens": 2, "cache_write_tokens": 1}
    usage["output_tokens_details"] = {"reasoning_tokens": 4}
    return {"id": "resp_1", "status": status, "output": [], "usage": usage, "error": None, **more}


BEGUN = named(type="response.created", response={"id": "resp_1", "status": "in_progress", "output": [], "usage": None})
WORD = named(type="response.output_text.delta", delta="水", sequence_number=4)
COMPLETED = named(type="response.completed", response=response("completed", output=[{"type": "message"}]))

START = named(type="message_start", message={"usage": {"input_tokens": 5, "cache_read_input_tokens": 7}})
PIECE = named(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "水"})
ENDING = named(type="message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 3})
STOP = named(type="message_stop")

IMAGE = named(type="image_generation.partial_image", b64_json="aaaa", partial_image_index=0)
DRAWN = named(type="image_generation.completed", b64_json="bbbb", usage={"input_tokens": 6, "output_tokens": 60})
SOUND = unnamed(type="speech.audio.delta", audio="aaaa")
SPOKEN = unnamed(type="speech.audio.done", usage={"input_tokens": 2, "output_tokens": 20})
HEARD = unnamed(type="transcript.text.delta", delta="hello")
WRITTEN = unnamed(type="transcript.text.done", text="hello", usage={"type": "duration", "seconds": 3})

STREAMS = [
    (watch_response, BEGUN + WORD + COMPLETED),
    (watch_message, START + named(type="ping") + PIECE + ENDING + STOP),
    (watch_media, IMAGE + DRAWN),
    (watch_media, SOUND + SPOKEN),
    (watch_media, HEARD + WRITTEN),
]


def relay_all(watch, *blocks):
    """What passes, how the meter stands, and the failure that ended it."""
    call = UpstreamCall(call_id="c", model="m", stream=True, members={})
    out, failure = bytearray(), None

    def add(chunk):
        assert chunk.ends[-1] == len(chunk.body)
        out.extend(chunk.body)

    relay = Relay(watch(call), add)
    try:
        for block in blocks:
            relay.feed(block)
        relay.end()
    except RunestoneError as error:
        failure = error
    return bytes(out), call.meter, failure


def counts(meter):
    return {field.name: value for field, value in meter.usage.ListFields()}


@pytest.mark.parametrize(("watch", "stream"), STREAMS)
def test_a_whole_stream_passes_as_the_bytes_it_is(watch, stream):
    assert relay_all(watch, stream)[::2] == (stream, None)


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 1000), max_size=6))
def test_no_cutting_changes_what_passes(case, places):
    watch, stream = case
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    blocks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    assert relay_all(watch, *blocks) == relay_all(watch, stream)


@given(st.sampled_from(STREAMS), st.integers(1, 1000))
def test_a_stream_that_breaks_off_is_cut(case, missing):
    """Wherever it breaks: an answer that is not whole never looks complete."""
    watch, stream = case
    out, _, failure = relay_all(watch, stream[: -1 - missing % len(stream)])
    assert failure.reason is Reason.PROVIDER_STREAM_CUT
    assert stream.startswith(out)


@pytest.mark.parametrize(("watch", "stream"), STREAMS)
def test_done_makes_no_answer_whole(watch, stream):
    """OpenAI's SDK takes it for the end, wherever it stands: where an answer is not whole it does not pass."""
    first = stream[: stream.index(b"\n\n") + 2]
    out, _, failure = relay_all(watch, first + b"data: [DONE]\n\n")
    assert (out, failure.reason) == (first, Reason.PROVIDER_STREAM_CUT)


@pytest.mark.parametrize(("watch", "stream"), [STREAMS[0], STREAMS[1], STREAMS[3], STREAMS[4]])
def test_nothing_behind_the_end_of_a_typed_stream_passes(watch, stream):
    assert relay_all(watch, stream + stream, stream)[::2] == (stream, None)


def test_several_images_are_all_passed_on():
    """Each is completed by itself; the body's end is the stream's."""
    out, _, failure = relay_all(watch_media, IMAGE + DRAWN, IMAGE + DRAWN + b"data: [DONE]\n\n", b": gone\n\n")
    assert (out, failure) == (2 * (IMAGE + DRAWN) + b"data: [DONE]\n\n", None)


@pytest.mark.parametrize(("watch", "stream"), STREAMS)
@pytest.mark.parametrize(
    "garbage", [b"data: nonsense\n\n", b"data: []\n\n", b"data: {\xff}\n\n", b'data: {"type":7}\n\n']
)
def test_garbage_ends_a_typed_stream_behind_what_came_before(watch, stream, garbage):
    first = stream[: stream.index(b"\n\n") + 2]
    out, _, failure = relay_all(watch, first + garbage + stream)
    assert (out, failure.reason) == (first, Reason.PROVIDER_INVALID_ANSWER)


@pytest.mark.parametrize(("watch", "stream"), STREAMS)
@given(st.binary(max_size=200))
def test_no_garbage_makes_a_watcher_raise_anything_else(watch, stream, garbage):
    _, _, failure = relay_all(watch, b"data: " + garbage + b"\n\n" + stream)
    known = {Reason.PROVIDER_INVALID_ANSWER, Reason.PROVIDER_FAILED, Reason.PROVIDER_STREAM_CUT}
    assert failure is None or failure.reason in known


UNREADABLE = [
    b'{"type":"error","error":{"message":"x"},"y":"\xff"}',
    b'{"type":"error","error":{"message":"\xff"}}',
    b'{"type":"error","error":{"message":"x"},"y":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
]


@pytest.mark.parametrize("broken", UNREADABLE)
@pytest.mark.parametrize(("watch", "stream"), STREAMS)
def test_an_error_that_cannot_be_read_is_a_failure_all_the_same(watch, stream, broken):
    out, _, failure = relay_all(watch, b"data: " + broken + b"\n\n" + stream)
    assert (out, failure.reason) == (b"", Reason.PROVIDER_INVALID_ANSWER)


def test_unknown_and_empty_events_pass():
    odd = named(type="response.something_new", x=[1]) + b": ping\n\ndata:\n\n"
    assert relay_all(watch_response, odd + COMPLETED)[::2] == (odd + COMPLETED, None)


def test_the_usage_of_responses_is_read_with_its_details():
    _, meter, _ = relay_all(watch_response, BEGUN + COMPLETED)
    assert counts(meter) == {
        "input_tokens": 9,
        "output_tokens": 5,
        "cache_read_input_tokens": 2,
        "cache_write_input_tokens": 1,
        "reasoning_output_tokens": 4,
    }


@pytest.mark.parametrize(
    ("status", "more", "reason"),
    [
        ("completed", {"output": [{"type": "reasoning"}, {"type": "message"}]}, "stop"),
        ("completed", {"output": [{"type": "message"}, {"type": "function_call"}]}, "tool_calls"),
        ("completed", {"output": [{"type": "custom_tool_call"}]}, "tool_calls"),
        ("completed", {"output": [{"type": "web_search_call"}, {"type": "message"}]}, "stop"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ("incomplete", {"incomplete_details": None}, "stop"),
    ],
)
def test_why_a_response_ended_is_told_in_chats_words(status, more, reason):
    end = named(type=f"response.{status}", response=response(status, **more))
    assert relay_all(watch_response, BEGUN + end)[1].finish_reason == reason


@pytest.mark.parametrize(
    ("event", "reason", "message"),
    [
        (
            named(
                type="response.failed", response=response("failed", error={"code": "server_error", "message": "sad"})
            ),
            Reason.PROVIDER_FAILED,
            "sad",
        ),
        (
            named(
                type="response.failed", response=response("failed", error={"code": "invalid_prompt", "message": "no"})
            ),
            Reason.PROVIDER_REFUSED,
            "no",
        ),
        (
            named(type="error", code="rate_limit_exceeded", message="slowly", param=None, sequence_number=3),
            Reason.PROVIDER_RATE_LIMITED,
            "slowly",
        ),
        (named(type="error", error={"type": "server_error", "message": "tired"}), Reason.PROVIDER_FAILED, "tired"),
        (unnamed(error={"message": "unnamed"}), Reason.PROVIDER_FAILED, "unnamed"),
    ],
)
def test_a_response_that_fails_is_told_as_failed(event, reason, message):
    """Its event is not relayed: the edge tells the failure in the client's dialect, once."""
    out, meter, failure = relay_all(watch_response, BEGUN + WORD + event + COMPLETED)
    assert (out, failure.reason, failure.message) == (BEGUN + WORD, reason, message)
    assert meter.finish_reason == ""


def test_what_a_failed_response_used_is_known():
    failed = named(type="response.failed", response=response("failed", error={"code": "server_error", "message": "x"}))
    assert relay_all(watch_response, failed)[1].usage.output_tokens == 5


def test_anthropics_usage_counts_the_cached_tokens_in():
    _, meter, _ = relay_all(watch_message, START + ENDING + STOP)
    assert counts(meter) == {"input_tokens": 12, "cache_read_input_tokens": 7, "output_tokens": 3}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("a_new_one", "stop"),
    ],
)
def test_why_a_message_stopped_is_told_in_chats_words(said, reason):
    end = named(type="message_delta", delta={"stop_reason": said}, usage={"output_tokens": 3})
    assert relay_all(watch_message, START + end + STOP)[1].finish_reason == reason


def test_an_error_in_a_message_is_told_as_failed():
    error = named(type="error", error={"type": "overloaded_error", "message": "Overloaded"})
    out, meter, failure = relay_all(watch_message, START + PIECE + error)
    assert (out, failure.reason, failure.message) == (START + PIECE, Reason.PROVIDER_OVERLOADED, "Overloaded")
    assert meter.usage.input_tokens == 12


def test_an_error_that_says_nothing_is_a_failure_all_the_same():
    assert relay_all(watch_message, named(type="error"))[2].reason is Reason.PROVIDER_FAILED


@pytest.mark.parametrize(
    ("stream", "used"),
    [
        (IMAGE + DRAWN, {"input_tokens": 6, "output_tokens": 60}),
        (SOUND + SPOKEN, {"input_tokens": 2, "output_tokens": 20}),
    ],
)
def test_images_and_audio_say_what_they_used(stream, used):
    assert counts(relay_all(watch_media, stream)[1]) == used


def test_what_is_counted_in_seconds_is_no_usage_of_tokens():
    assert relay_all(watch_media, HEARD + WRITTEN)[1].usage is None


def test_an_error_in_a_stream_of_images_is_told_as_failed():
    error = named(type="error", error={"message": "no colours left", "type": "image_generation_server_error"})
    out, _, failure = relay_all(watch_media, IMAGE + error)
    assert (out, failure.message) == (IMAGE, "no colours left")


@pytest.mark.parametrize(
    "usage", ["x", [], {"input_tokens": -1}, {"output_tokens": 1e30}, {"input_tokens": 1 << 63}, None]
)
def test_anthropics_counts_that_make_no_sense_are_none(usage):
    start = named(type="message_start", message={"usage": usage})
    _, meter, failure = relay_all(watch_message, start + STOP)
    assert (meter.usage, failure) == (None, None)
