"""The OpenAI provider's pure parts: what goes upstream, what is read of what comes back."""

import itertools

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.openai.request import build_body, wants_usage
from provider_svc.openai.response import read_answer
from provider_svc.openai.stream import ChunkWatcher
from provider_svc.provider import Meter
from provider_svc.relay import Relay
from runestone.common.v1.usage_pb2 import Usage

CONTENT = b'data: {"choices":[{"index":0,"delta":{"content":"\xe6\xb0\xb4"},"finish_reason":null}],"usage":null}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":0}}\n\n'
DONE = b"data: [DONE]\n\n"


def members(**values):
    return {name: msgspec.Raw(orjson.dumps(value)) for name, value in values.items()}


def relay_all(*blocks, strips_usage=True):
    """What passes, how the meter stands, and the failure that ended it."""
    meter, out, failure = Meter(), bytearray(), None

    def add(chunk):
        assert chunk.ends[-1] == len(chunk.body)
        out.extend(chunk.body)

    relay = Relay(ChunkWatcher(meter, strips_usage=strips_usage), add)
    try:
        for block in blocks:
            relay.feed(block)
        relay.end()
    except RunestoneError as error:
        failure = error
    return bytes(out), meter, failure


def test_only_the_model_changes_in_a_unary_request():
    body = b'{"messages":[ {"role" : "user"} ],"model":"public","seed":1.0e2,"x":{"b":1,"a":2}}'
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    assert build_body(raw, "m", asks_usage=False) == body.replace(b'"public"', b'"m"')


def test_a_stream_is_asked_for_usage_and_keeps_its_other_options():
    raw = members(model="a", stream_options={"include_usage": False, "include_obfuscation": False})
    document = orjson.loads(build_body(raw, "m", asks_usage=True))
    assert document["stream_options"] == {"include_usage": True, "include_obfuscation": False}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [({"include_usage": True}, True), ({"include_usage": False}, False), ({}, False), (None, False)],
)
def test_whether_the_client_wants_usage_is_what_it_said(options, wanted):
    assert wants_usage(members(stream_options=options)) is wanted
    assert wants_usage({}) is False


@pytest.mark.parametrize("options", [[], 1, "x"])
def test_stream_options_that_are_no_object_are_the_clients_fault(options):
    with pytest.raises(RunestoneError) as error:
        build_body(members(stream_options=options), "m", asks_usage=True)
    assert (error.value.reason, error.value.param) == (Reason.INVALID_REQUEST, "stream_options")


@given(st.lists(st.integers(0, 400), max_size=6), st.booleans())
def test_any_cutting_relays_the_same_bytes(places, strips_usage):
    stream = CONTENT * 2 + FINISH + USAGE + DONE
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    blocks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    out, meter, failure = relay_all(*blocks, strips_usage=strips_usage)
    assert out == stream.replace(USAGE, b"" if strips_usage else USAGE)
    assert (failure, meter.finish_reason, meter.usage.input_tokens) == (None, "stop", 3)
    assert meter.usage.HasField("output_tokens")  # an explicit 0 is 0
    assert not meter.usage.HasField("reasoning_output_tokens")


def test_usage_on_a_chunk_that_has_choices_passes_and_counts():
    last = b'data: {"choices":[{"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    out, meter, failure = relay_all(CONTENT + last + DONE)
    assert (out, failure) == (CONTENT + last + DONE, None)
    assert (meter.usage.output_tokens, meter.finish_reason) == (2, "length")


@pytest.mark.parametrize("blocks", [[], [CONTENT], [CONTENT, FINISH], [CONTENT + b"data: [DO"], [b": ping\n\n"]])
def test_a_stream_without_its_end_is_cut(blocks):
    out, _, failure = relay_all(*blocks)
    assert failure.reason is Reason.PROVIDER_STREAM_CUT
    assert b"[DONE]" not in out


def test_an_end_that_lacks_its_blank_line_counts():
    assert relay_all(CONTENT + b"data: [DONE]\n")[2] is None


def test_nothing_behind_the_end_passes():
    assert relay_all(CONTENT + DONE + CONTENT, CONTENT)[0] == CONTENT + DONE


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: nonsense\n\n",
        b'data: {"choices":\n\n',
        b"data: []\n\n",
        b'data: {"choices":{}}\n\n',
        b"data: {\xff}\n\n",
    ],
)
def test_garbage_ends_the_stream_behind_what_came_before(garbage):
    out, meter, failure = relay_all(CONTENT + garbage + FINISH + DONE)
    assert (out, failure.reason) == (CONTENT, Reason.PROVIDER_INVALID_ANSWER)
    assert not meter.finish_reason


def test_an_error_object_ends_the_stream_with_its_words():
    error = b'data: {"error":{"message":"tired","type":"server_error"}}\n\n'
    out, _, failure = relay_all(CONTENT + error + DONE)
    assert (out, failure.reason, failure.message) == (CONTENT, Reason.PROVIDER_FAILED, "tired")


@pytest.mark.parametrize(
    "odd", [b": ping\n\n", b"data: \n\n", b"\n\n", b'data: {"choices":[]}\n\n', b"id: 1\ndata: {}\n\n"]
)
def test_comments_and_odd_events_pass(odd):
    assert relay_all(odd + CONTENT + DONE)[::2] == (odd + CONTENT + DONE, None)


def test_data_over_several_lines_is_read_as_one():
    chunk = b'data: {"choices":\ndata: [{"finish_reason":"stop"}]}\n\n'
    assert relay_all(chunk + DONE)[1].finish_reason == "stop"


def test_a_document_is_metered():
    meter = Meter()
    details = {"prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1}}
    details |= {"completion_tokens_details": {"reasoning_tokens": 4}}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, **details}
    read_answer(orjson.dumps({"choices": [{"finish_reason": "tool_calls"}], "usage": usage}), meter)
    assert meter.finish_reason == "tool_calls"
    counts = {field.name: value for field, value in meter.usage.ListFields()}
    assert counts == {
        "input_tokens": 9,
        "output_tokens": 5,
        "cache_read_input_tokens": 2,
        "cache_write_input_tokens": 1,
        "reasoning_output_tokens": 4,
    }


def test_deepseeks_word_for_cached_tokens_is_known_whether_or_not_its_answer_is_translated():
    """They cost a tenth."""
    usage = b'{"prompt_tokens":100,"completion_tokens":5,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}'
    read_answer(b'{"choices":[],"usage":%b}' % usage, meter := Meter())
    assert meter.usage == Usage(input_tokens=100, output_tokens=5, cache_read_input_tokens=64)


@pytest.mark.parametrize("usage", [b'"x"', b"[]", b'{"prompt_tokens":-1}', b'{"prompt_tokens":1e30}', b"null"])
def test_usage_that_makes_no_sense_is_no_usage(usage):
    meter = Meter()
    read_answer(b'{"choices":[],"usage":%b}' % usage, meter)
    assert meter.usage is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"<html>", b'{"choices":7}', b"[" * 100_000, b'{"error":' + b"[" * 100_000]
)
def test_what_is_not_the_protocol_is_an_invalid_answer(body):
    with pytest.raises(RunestoneError) as error:
        read_answer(body, Meter())
    assert error.value.reason is Reason.PROVIDER_INVALID_ANSWER


def test_an_error_document_with_status_200_is_a_failure():
    with pytest.raises(RunestoneError) as error:
        read_answer(b'{"error":{"message":"tired","type":"overloaded_error"}}', Meter())
    assert (error.value.reason, error.value.message) == (Reason.PROVIDER_OVERLOADED, "tired")
