"""Streams of named events are redacted however their texts are cut, and stay what their clients can read."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.config.shapes import convert
from chassis.config.transform import TransformOptions
from chassis.errors import Reason, RunestoneError
from gateway_edge.transform.answers import AnswerPlan, StreamChange
from gateway_edge.transform.facts import Facts
from gateway_edge.transform.stream_redaction import MOST_TEXTS

SECRET = "sk-abcdef123"
PATTERN = r"\bsk-[a-z0-9]{6,20}\b"
TEXT = f"the key is {SECRET}, keep it to yourself; once more: {SECRET}"
CLEAN = "the key is [redacted], keep it to yourself; once more: [redacted]"

Event = dict[str, Any]
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)  # costly to make


def change(events: Sequence[Event], *, takes_all: bool = False) -> list[Event]:
    """What a client is sent of `events`, each written under its type."""
    rule = {"pattern": PATTERN, **({"in": "all"} if takes_all else {})}
    options = convert({"response": [{"redact": rule}]}, TransformOptions)
    facts = Facts(tenant="", key="", request_id="", metadata={}, headers={}, document={})
    stream = StreamChange(AnswerPlan(options), facts, has_choices=False)
    sent = b""
    for event in events:
        sent += b"".join(stream.change(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), orjson.dumps(event))))
    sent += stream.finish()
    read = []
    for one in sent.split(b"\n\n")[:-1]:
        name, data = one.split(b"\n")
        read.append(orjson.loads(data.removeprefix(b"data: ")))
        assert name == b"event: " + read[-1]["type"].encode()
    return read


def cut(text: str, places: Sequence[int]) -> list[str]:
    borders = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(borders)]


def messages(blocks: Sequence[tuple[str, Sequence[str]]], begin: str = "") -> list[Event]:
    """An answer of Anthropic's of blocks in pieces: of text, thinking, or what a tool is called with."""
    kinds = {"text": {"text": begin}, "thinking": {"thinking": begin, "signature": ""}}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    usage = {"input_tokens": 1, "output_tokens": 1}
    events: list[Event] = [{"type": "message_start", "message": {**head, "stop_sequence": None, "usage": usage}}]
    for index, (kind, pieces) in enumerate(blocks):
        tool = {"id": SECRET, "name": "run", "input": {}}
        place, name = (kind, f"{kind}_delta") if kind in kinds else ("partial_json", "input_json_delta")
        block = {"type": kind, **kinds.get(kind, tool)}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": name, place: piece}} for piece in pieces
        ]
        events += [{"type": "ping"}, {"type": "content_block_stop", "index": index}]
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]


def fold(events: Sequence[Event]) -> Any:
    """What Anthropic's SDK makes of a stream."""
    message: Message | None = None
    json_bufs: dict[int, bytes] = {}
    for event in events:
        if event["type"] != "ping":
            read = EVENT.validate_python(event)
            message = accumulate_event(event=read, current_snapshot=message, json_bufs=json_bufs)  # type: ignore[arg-type]
    return message


def responses(pieces: Sequence[str], kind: str = "response.output_text") -> list[Event]:
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": TEXT}]}
    events: list[Event] = [
        {"type": "response.created", "response": {"id": SECRET, "output": []}},
        {"type": "response.content_part.added", **at, "part": {"type": "output_text", "text": ""}},
        *({"type": f"{kind}.delta", **at, "delta": piece, "logprobs": [{"token": piece}]} for piece in pieces),
        {"type": f"{kind}.done", **at, "text": TEXT, "logprobs": [{"token": TEXT}]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": SECRET, "output": [item]}},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def deltas_of(events: Sequence[Event]) -> str:
    return "".join(event["delta"] for event in events if event["type"].endswith(".delta"))


places = st.lists(st.integers(0, 200), max_size=12)


@given(places, places, st.sampled_from(["", "the "]))
def test_a_message_says_the_same_however_it_is_cut(some: list[int], others: list[int], begin: str) -> None:
    """And its blocks stay what Anthropic's SDK reads."""
    text = TEXT.removeprefix(begin)
    sent = change(messages([("thinking", cut(text, some)), ("text", cut(text, others))], begin))
    thinking, said = fold(sent).content
    assert (thinking.thinking, said.text) == (CLEAN, CLEAN)
    assert SECRET not in orjson.dumps(sent).decode()


def test_a_secret_that_begins_where_its_block_does_is_found() -> None:
    sent = change(messages([("text", ["bcdef123 is it"])], begin="sk-a"))
    assert fold(sent).content[0].text == "[redacted] is it"


@pytest.mark.parametrize(("takes_all", "left"), [(False, SECRET), (True, "[redacted]")])
def test_what_tools_are_called_with_is_left_unless_all_is_asked_for(*, takes_all: bool, left: str) -> None:
    pieces = cut(orjson.dumps({"key": SECRET}).decode(), [3, 9, 12, 15])
    tool = fold(change(messages([("tool_use", pieces)]), takes_all=takes_all)).content[0]
    assert (tool.input, tool.id) == ({"key": left}, SECRET)
    sent = change(responses(pieces, "response.function_call_arguments"), takes_all=takes_all)
    assert orjson.loads(deltas_of(sent)) == {"key": left}


@given(places)
def test_a_response_says_the_same_however_it_is_cut(some: list[int]) -> None:
    """Its deltas, the texts that repeat them, and the numbers of its events."""
    sent = change(responses(cut(TEXT, some)))
    done = next(event for event in sent if event["type"] == "response.output_text.done")
    assert deltas_of(sent) == done["text"] == CLEAN
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    assert sent[-1]["response"]["output"][0]["content"][0]["text"] == CLEAN
    assert not any(event.get("logprobs") for event in sent)
    assert [event["type"] for event in sent[-3:]] == [event["type"] for event in responses([])[-3:]]


@given(places)
def test_a_transcript_says_the_same_however_it_is_cut(some: list[int]) -> None:
    events = [{"type": "transcript.text.delta", "delta": piece} for piece in cut(TEXT, some)]
    sent = change([*events, {"type": "transcript.text.done", "text": TEXT}])
    assert deltas_of(sent) == sent[-1]["text"] == CLEAN


def test_texts_that_take_turns_are_kept_apart() -> None:
    at = {"type": "response.reasoning_summary_text.delta", "item_id": "r", "output_index": 0}
    pieces = [{**at, "summary_index": n, "delta": d} for d in (SECRET[:4], SECRET[4:], " end") for n in (0, 1)]
    sent = change([*pieces, {"type": "response.output_item.done", "output_index": 0, "item": {}}])
    for number in (0, 1):
        texts = [event["delta"] for event in sent if event.get("summary_index") == number]
        assert "".join(texts) == "[redacted] end"


def test_sound_and_pictures_pass_as_they_are() -> None:
    events = [
        {"type": "response.output_audio.delta", "delta": SECRET},
        {"type": "speech.audio.delta", "audio": SECRET},
        {"type": "image_generation.partial_image", "b64_json": SECRET},
        {"type": "response.image_generation_call.partial_image", "partial_image_b64": SECRET},
    ]
    assert change(events) == events


def test_what_is_held_back_of_a_stream_that_is_cut_is_not_sent() -> None:
    sent = change(messages([("text", [TEXT[:18]])])[:-4])
    assert SECRET[:6] not in orjson.dumps(sent).decode()


def test_texts_without_end_are_refused() -> None:
    events = [{"type": "a.delta", "output_index": number, "delta": "x"} for number in range(MOST_TEXTS + 1)]
    with pytest.raises(RunestoneError, match="more texts") as failed:
        change(events)
    assert failed.value.reason is Reason.PROVIDER_INVALID_ANSWER


words = ["content_block_delta", "content_block_start", "content_block_stop", "a.delta", "a.done", "text", "text_delta"]
parts = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from([*words, SECRET]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text"]), inner, max_size=2),
    max_leaves=3,
)
members = st.sampled_from(["delta", "index", "content_block", "sequence_number", "logprobs"])


@given(st.lists(st.tuples(st.sampled_from(words), st.dictionaries(members, parts, max_size=5)), max_size=6))
def test_events_of_any_shape_are_changed_or_passed(events: list[tuple[str, Event]]) -> None:
    """A provider's garbage fails no call, and no secret gets through that stands in one piece."""
    sent = change([{**event, "type": kind} for kind, event in events])
    assert SECRET not in orjson.dumps([event for event in sent if "text" in event]).decode()
