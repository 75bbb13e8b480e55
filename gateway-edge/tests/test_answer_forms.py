"""One kept answer, shown in every form: its own bytes in its own form, usage only if asked, nothing that is a guess."""

from typing import Any

import orjson
import pytest

from gateway_edge.caching.forms import Form, Shown, find_ends, show
from runestone.cache.v1.cache_pb2 import Answer
from runestone.common.v1.error_pb2 import Error
from runestone.common.v1.usage_pb2 import Usage

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1741569952, "model": "m"}
COUNTED = Usage(input_tokens=9, output_tokens=2, cache_read_input_tokens=4, reasoning_output_tokens=0)
WRITTEN = {
    "prompt_tokens": 9,
    "completion_tokens": 2,
    "total_tokens": 11,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
DONE = b"data: [DONE]\n\n"
UNARY, STREAM, METERED = Form(is_stream=False), Form(is_stream=True), Form(is_stream=True, wants_usage=True)


def event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event({**HEAD, "choices": [choice], **more})


SAID = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hi"}), chunk({}, "stop")]
USAGE = event({**HEAD, "choices": [], "usage": WRITTEN})


def kept(*events: bytes, usage: Usage | None = COUNTED, offsets: tuple[float, ...] = ()) -> Answer:
    body = b"".join(events)
    answer = Answer(body=body, content_type="text/event-stream", usage=usage, ends=find_ends(body))
    for offset in offsets:
        answer.offsets.add(seconds=int(offset), nanos=round(offset % 1 * 1e9))
    return answer


def kept_document(document: Any, usage: Usage | None = COUNTED) -> Answer:
    return Answer(body=orjson.dumps(document), content_type="application/json", usage=usage)


def shown(answer: Answer, form: Form) -> Shown:
    it = show(answer, form)
    assert it is not None
    return it


def test_a_document_asked_for_unary_is_the_very_bytes():
    answer = Answer(body=b'{ "anything":1.0 }', content_type="application/json; charset=utf-8")
    assert shown(answer, UNARY) == Shown(answer.body, answer.content_type)


@pytest.mark.parametrize(
    ("events", "form"),
    [
        ([*SAID, DONE], STREAM),
        ([*SAID, USAGE, DONE], METERED),
        ([b": one\n\n", *SAID[:2], chunk({}, "stop", usage=WRITTEN), DONE], STREAM),
        ([b": one\n\n", *SAID[:2], chunk({}, "stop", usage=WRITTEN), DONE], METERED),
    ],
    ids=["without usage", "with usage", "usage beside choices", "usage beside choices, asked for"],
)
def test_a_stream_in_its_own_form_is_the_very_bytes(events: list[bytes], form: Form):
    offsets = tuple(place / 8 for place in range(len(events)))
    answer = kept(*events, offsets=offsets)
    assert shown(answer, form) == Shown(answer.body, "text/event-stream", tuple(find_ends(answer.body)), offsets)


def test_the_borders_of_a_stream_that_was_kept_without_them_are_found():
    answer = kept(*SAID, DONE)
    del answer.ends[:]
    assert shown(answer, STREAM).ends == tuple(find_ends(answer.body))


def test_times_that_are_not_known_of_all_events_are_not_shown():
    assert shown(kept(*SAID, DONE, offsets=(0.0, 1.5)), STREAM).offsets == ()


def test_usage_that_was_not_asked_for_is_left_out_with_its_place_and_time():
    answer = kept(*SAID, USAGE, DONE, offsets=(0.0, 0.25, 0.5, 0.75, 1.0))
    expected = b"".join([*SAID, DONE])
    assert shown(answer, STREAM) == Shown(
        expected, "text/event-stream", tuple(find_ends(expected)), (0.0, 0.25, 0.5, 1.0)
    )


def test_usage_that_is_asked_for_comes_before_the_end_and_at_its_time():
    it = shown(kept(*SAID, DONE, offsets=(0.0, 0.25, 0.5, 1.0)), METERED)
    assert it.body == b"".join([*SAID, USAGE, DONE])
    assert it.ends == tuple(find_ends(it.body))
    assert it.offsets == (0.0, 0.25, 0.5, 1.0, 1.0)


def test_usage_null_in_other_chunks_is_not_usage():
    said = [chunk({"role": "assistant", "content": "hi"}, usage=None), chunk({}, "stop", usage=None)]
    assert shown(kept(*said, DONE), METERED).body == b"".join([*said, USAGE, DONE])


def test_usage_inside_another_member_is_not_usage():
    said = [*SAID[:2], chunk({}, "stop", x_groq={"id": "req_1", "usage": {"queue_time": 0.1}})]
    assert shown(kept(*said, DONE), STREAM).body == b"".join([*said, DONE])
    assert shown(kept(*said, DONE), METERED).body == b"".join([*said, USAGE, DONE])


def test_the_word_usage_in_a_text_is_not_usage():
    said = [SAID[0], chunk({"content": '"usage": {'}), SAID[2]]
    assert shown(kept(*said, DONE), METERED).body == b"".join([*said, USAGE, DONE])


@pytest.mark.parametrize("usage", [None, Usage(input_tokens=3)], ids=["none", "half"])
def test_usage_that_nobody_counted_is_not_told(usage: Usage | None):
    answer = kept(*SAID, DONE, usage=usage)
    assert shown(answer, METERED).body == answer.body
    assert "usage" not in orjson.loads(shown(answer, UNARY).body)


def test_a_document_gets_the_usage_that_the_stream_told_and_else_what_was_counted():
    told = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.5}
    recorded = kept(*SAID, event({**HEAD, "choices": [], "usage": told}), DONE)
    assert orjson.loads(shown(recorded, UNARY).body)["usage"] == told
    assert orjson.loads(shown(kept(*SAID, DONE), UNARY).body)["usage"] == WRITTEN


def test_the_last_usage_counts_where_a_stream_tells_it_all_along():
    growing = [{"prompt_tokens": 1, "completion_tokens": n, "total_tokens": n + 1} for n in range(3)]
    said = [chunk({"content": "x"}, usage=usage) for usage in growing[:2]]
    answer = kept(SAID[0], *said, chunk({}, "stop", usage=growing[2]), DONE)
    assert orjson.loads(shown(answer, UNARY).body)["usage"] == growing[2]


def test_a_document_becomes_a_stream_that_tells_usage_only_if_asked():
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    document = {**HEAD, "object": "chat.completion", "choices": [choice], "usage": WRITTEN}
    answer = kept_document(document, usage=None)
    assert shown(answer, STREAM).body == b"".join([*SAID, DONE])
    metered = [
        chunk({"role": "assistant", "content": ""}, usage=None),
        chunk({"content": "hi"}, usage=None),
        chunk({}, "stop", usage=None),
    ]
    it = shown(answer, METERED)
    assert it.body == b"".join([*metered, USAGE, DONE])
    assert (it.content_type, it.ends, it.offsets) == ("text/event-stream", tuple(find_ends(it.body)), ())
    del document["usage"]
    assert shown(kept_document(document), METERED).body == it.body


@pytest.mark.parametrize("form", [UNARY, STREAM, METERED])
def test_a_kept_refusal_has_no_form(form: Form):
    assert show(Answer(error=Error(message="no")), form) is None


def test_a_dialect_without_rules_is_shown_only_as_the_document_it_is():
    answer = Answer(body=b"{}", content_type="application/json")
    assert show(answer, Form(is_stream=False, dialect=0)) == Shown(b"{}", "application/json")
    assert show(answer, Form(is_stream=True, dialect=0)) is None


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\r\n\n"])
def test_a_blank_line_of_any_kind_ends_an_event(blank: bytes):
    lines = blank[: len(blank) // 2] or b"\n"
    first = b"data: a" + lines + b"data: b" + blank
    assert find_ends(first + b": c" + blank) == [len(first), len(first) + 3 + len(blank)]


def test_what_has_not_ended_has_no_end():
    assert find_ends(b"data: a\r\ndata: b\r\n") == []
    assert find_ends(b"data: a\n\ndata: b\n") == [9]


def test_events_in_other_line_ends_mean_the_same():
    answer = kept(*(part.replace(b"\n", b"\r\n") for part in [*SAID, USAGE, DONE]))
    assert shown(answer, UNARY) == shown(kept(*SAID, USAGE, DONE), UNARY)
    assert shown(answer, STREAM).body == b"".join([*SAID, DONE]).replace(b"\n", b"\r\n")


def test_comments_ids_and_data_on_several_lines_are_read_as_the_specification_says():
    split = b': ping\nid: 7\nevent: message\ndata: {"id":"chatcmpl-1","object":"chat.completion.chunk",\n'
    split += SAID[1].replace(b'{"id":"chatcmpl-1","object":"chat.completion.chunk",', b"").replace(b"data: ", b"data:")
    assert shown(kept(SAID[0], split, SAID[2], DONE), UNARY) == shown(kept(*SAID, DONE), UNARY)
