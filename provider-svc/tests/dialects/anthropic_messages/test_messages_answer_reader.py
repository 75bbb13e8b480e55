"""Anthropic's event streams become steps, and never look whole when they are not."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from provider_svc.dialects.anthropic_messages import DIALECT
from provider_svc.dialects.said import Said
from provider_svc.dialects.steps import (
    Cite,
    Close,
    Count,
    End,
    Grow,
    OpenCall,
    OpenText,
    OpenThinking,
    Start,
    Step,
    Stop,
)
from provider_svc.sse import Splitter

GOLDEN = Path(__file__).parent / "golden" / "streams"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.sse"))


def read(*events: object) -> list[Step]:
    """The steps of events, given as data or as what is its JSON."""
    reader = DIALECT.open_reader()
    return [step for event in events for step in reader.read(as_data(event))]


def as_data(event: object) -> bytes:
    return event if isinstance(event, bytes) else msgspec.json.encode(event)


def fail(*events: object) -> tuple[list[Step], RunestoneError]:
    """The steps before the failure, and the failure."""
    reader, steps = DIALECT.open_reader(), []
    with pytest.raises(RunestoneError) as caught:
        for event in events:
            steps.extend(reader.read(as_data(event)))
    return steps, caught.value


def events_of(name: str) -> Iterable[bytes]:
    chunk = Splitter().feed((GOLDEN / f"{name}.sse").read_bytes())
    assert chunk is not None
    return [data for frame in chunk.split() if (data := read_event(frame).data)]


START = {"type": "message_start", "message": {"id": "msg_01", "model": "claude-x", "usage": {"input_tokens": 5}}}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
HELLO = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}}
CALL = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}}
SHUT = {"type": "content_block_stop", "index": 0}
STOP = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
END = {"type": "message_stop"}


@pytest.mark.parametrize("name", NAMES)
def test_stream_is_read_as_its_golden_file_says(name, shown):
    expected = msgspec.json.decode((GOLDEN / f"{name}.steps.json").read_bytes())
    assert shown(read(*events_of(name))) == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_folds_into_a_whole_one(name):
    said = Said()
    for step in read(*events_of(name)):
        said.add(step)
    assert said.is_whole
    assert said.reason is not None


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "sequence"),
        ("pause_turn", "pause"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tools"),
        ("refusal", "filter"),
        ("younger_than_this_test", "end"),
    ],
)
def test_stop_reason_is_read(stop_reason, expected):
    *_, stop, end = read(START, {"type": "message_delta", "delta": {"stop_reason": stop_reason}}, END)
    assert (stop, end) == (Stop(expected), End())


def test_input_tokens_include_what_the_prompt_cache_read_and_wrote():
    usages = [step.usage for step in read(*events_of("cached")) if isinstance(step, Count)]
    last = usages[-1]
    assert (last.input_tokens, last.cache_read_input_tokens, last.cache_write_input_tokens) == (142, 100, 30)


def test_counts_that_were_not_reported_stay_absent():
    [usage] = [step.usage for step in read(START) if isinstance(step, Count)]
    assert usage.input_tokens == 5
    assert not usage.HasField("output_tokens")
    assert not usage.HasField("cache_read_input_tokens")


def test_usage_that_says_nothing_counts_nothing():
    assert read({"type": "message_start", "message": {"id": "m", "model": "x", "usage": {}}}) == [Start("m", "x")]


def test_output_is_counted_where_nothing_is_known_of_the_input():
    start = {"type": "message_start", "message": {"id": "m", "model": "x"}}
    [usage] = [step.usage for step in read(start, STOP) if isinstance(step, Count)]
    assert usage.output_tokens == 2
    assert not usage.HasField("input_tokens")


def test_counts_that_come_late_are_counted_with_those_that_came_before():
    """A message_delta may repeat any of the three input counts."""
    late = {"type": "message_delta", "delta": {}, "usage": {"cache_read_input_tokens": 7}}
    later = {"type": "message_delta", "delta": {}, "usage": {"cache_read_input_tokens": 9, "input_tokens": 1}}
    usages = [step.usage.input_tokens for step in read(START, late, later) if isinstance(step, Count)]
    assert usages == [5, 12, 10]


def test_each_count_is_a_message_of_its_own():
    first, second = (step.usage for step in read(START, STOP) if isinstance(step, Count))
    assert (first.output_tokens, second.output_tokens) == (0, 2)


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
    steps, error = fail(START, TEXT, HELLO, {"type": "error", "error": {"type": kind, "message": "Oh."}})
    assert error.reason is reason
    assert steps[-1] == Grow("Hello")


def test_error_instead_of_an_answer_is_its_error():
    steps, error = fail({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert (steps, error.reason, error.message) == ([], Reason.PROVIDER_OVERLOADED, "Overloaded")


def test_error_object_of_somebody_in_between_is_its_error():
    _, error = fail(START, {"error": {"message": "Slow down.", "type": "rate_limit_error"}})
    assert (error.reason, error.message) == (Reason.PROVIDER_RATE_LIMITED, "Slow down.")


@pytest.mark.parametrize(
    "garbage",
    [
        b"{",
        b"garbage",
        b"[DONE]",
        [1],
        b"[" * 100_000 + b"]" * 100_000,
        {"type": 7},
        {},
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_delta", "index": "one", "delta": {}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text"}},
        {"type": "content_block_stop", "index": 1},
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xff"}}',
        {"type": "message_delta", "delta": {}, "usage": {"input_tokens": -1}},
        {"type": "message_delta", "delta": {}, "usage": {"input_tokens": 1 << 60}},
        {"type": "error"},
        b'{"type":"error","error":{"message":"x"},"y":"\xff"}',
        START,
        END,
    ],
)
def test_garbage_is_an_invalid_answer_after_what_came_before(garbage):
    steps, error = fail(START, TEXT, HELLO, garbage, SHUT, STOP, END)
    assert error.reason is Reason.PROVIDER_INVALID_ANSWER
    assert [type(step) for step in steps] == [Start, Count, OpenText, Grow]


@pytest.mark.parametrize("event", [TEXT, HELLO, SHUT, STOP, END, {"type": "message_start"}])
def test_answer_that_does_not_begin_with_its_message_is_invalid(event):
    steps, error = fail(event, START)
    assert (steps, error.reason) == ([], Reason.PROVIDER_INVALID_ANSWER)


@pytest.mark.parametrize("events", [(START, CALL, STOP, END), (START, TEXT, HELLO, SHUT, END)])
def test_end_in_the_middle_is_invalid(events):
    """A block that is still open, or an answer that did not say why it stopped, is not whole."""
    steps, error = fail(*events)
    assert error.reason is Reason.PROVIDER_INVALID_ANSWER
    assert End() not in steps


@pytest.mark.parametrize("event", [{"type": "ping"}, {"type": "shiny", "index": "one", "delta": 7, "message": []}])
def test_event_of_an_unknown_type_is_passed_over_wherever_it_stands(event):
    assert read(event, START, event, TEXT, event, HELLO, SHUT) == read(START, TEXT, HELLO, SHUT)


def test_null_is_nothing_as_those_who_imitate_anthropic_mean_it():
    block = {"type": "thinking", "thinking": None, "signature": None}
    start = {"type": "message_start", "message": {"usage": None}}
    piece = {"type": "thinking_delta", "thinking": "Hm.", "text": None, "citation": None}
    steps = read(
        start,
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": piece},
        SHUT,
        STOP | {"usage": None},
        END,
    )
    assert steps == [Start("", ""), OpenThinking(), Grow("Hm."), Close(), Stop("end"), End()]


BLOCKS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.lists(st.text())),
        st.tuples(st.just("thinking"), st.lists(st.text())),
        st.tuples(st.just("tool_use"), st.dictionaries(st.text(), st.text())),
        st.tuples(st.just("server_tool_use"), st.dictionaries(st.text(), st.text())),
    )
)


@given(blocks=BLOCKS)
def test_pieces_add_up_to_what_the_model_wrote(blocks):
    """Text, thinking and each call's arguments arrive whole and in order, whatever the mixture of blocks."""
    said = Said()
    for step in read(START, *(e for i, block in enumerate(blocks) for e in block_events(i, *block)), STOP, END):
        said.add(step)
    kinds = {"text": "text", "thinking": "thinking", "tool_use": "call"}
    wrote = [(kinds[kind], content) for kind, content in blocks if kind in kinds]
    assert said.is_whole
    assert [part.kind for part in said.parts] == [kind for kind, _ in wrote]
    for part, (kind, content) in zip(said.parts, wrote, strict=True):
        assert (msgspec.json.decode(part.text) if kind == "call" else part.text) == (
            content if kind == "call" else "".join(content)
        )


def block_events(index: int, kind: str, content: object) -> list[object]:
    if kind.endswith("tool_use"):
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


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NOISY = st.sampled_from([START, TEXT, HELLO, CALL, SHUT, STOP, END]).flatmap(
    lambda event: st.dictionaries(st.sampled_from([*event, "usage", "index", "delta"]), JUNK, max_size=2).map(
        lambda junk: event | junk
    )
)
ORDER = {OpenText, OpenThinking, OpenCall}


@given(st.lists(st.binary() | JUNK.map(msgspec.json.encode) | NOISY.map(msgspec.json.encode)))
def test_no_garbage_is_a_fault_of_ours_or_breaks_the_order_of_an_answer(events):
    """Whatever a provider sends is refused by its name, or makes steps in their order."""
    reader, steps = DIALECT.open_reader(), []
    try:
        for event in events:
            steps.extend(reader.read(event))
    except RunestoneError as error:
        assert error.reason is not Reason.INTERNAL  # noqa: PT017  either is fine
    is_open = False
    for number, step in enumerate(steps):
        assert isinstance(step, Start) == (number == 0)
        if type(step) in ORDER:
            assert not is_open
            is_open = True
        elif isinstance(step, Grow | Cite | Close):
            assert is_open
            is_open = not isinstance(step, Close)
        elif isinstance(step, End):
            assert not is_open
