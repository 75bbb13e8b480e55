"""A stream of Responses events is read as it is meant, in whatever order its items come, and never as whole when it is not."""

import json

import pytest
from dialects.openai_responses.wire import GOLDEN, frames
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from provider_svc.dialects.openai_responses import DIALECT
from provider_svc.dialects.openai_responses.answer_reader import _EVENTS
from provider_svc.dialects.openai_responses.open_items import ITEMS
from provider_svc.dialects.steps import Close, Count, End, Grow, OpenCall, OpenText, OpenThinking, Start, Step, Stop
from runestone.common.v1.usage_pb2 import Usage

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 5}}
COMPLETED = {"type": "response.completed", "response": {"id": "resp_1", "model": "m"}}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
WHOLE = {**MESSAGE, "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]}
UPSTREAMS = sorted((GOLDEN / "streams").glob("*.upstream.sse"))


def read_all(*events: dict | bytes) -> list[Step]:
    reader = DIALECT.open_reader()
    data = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return [step for event in data for step in reader.read(event)]


def answer(*events: dict) -> list[Step]:
    """The steps between the first and the last two."""
    steps = read_all(CREATED, *events, COMPLETED)
    assert steps[0] == Start("resp_1", "m", 5)
    assert steps[-1] == End()
    return steps[1:-2]


def fail(*events: dict | bytes) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        read_all(*events)
    return caught.value


def added(item: dict, index: int = 0) -> dict:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: dict, index: int = 0) -> dict:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def piece(name: str, index: int = 0, **members: object) -> dict:
    return {"type": f"response.{name}", "output_index": index, **members}


def test_text_begins_without_saying_so():
    """Some imitations leave out the events around the pieces."""
    assert answer(
        added(MESSAGE),
        piece("output_text.delta", content_index=0, delta="a"),
        piece("output_text.delta", content_index=1, delta="b"),
    ) == [OpenText(), Grow("a"), Close(), OpenText(), Grow("b"), Close()]


def test_what_came_whole_is_not_said_twice():
    assert answer(
        added(MESSAGE),
        piece("output_text.done", content_index=0, text="a"),
        piece("content_part.done", content_index=0, part={"type": "output_text"}),
        piece("output_text.done", content_index=0, text="a"),
        piece("refusal.done", content_index=1, refusal="b"),
        piece("refusal.done", content_index=1, refusal="b"),
        done(WHOLE),
    ) == [OpenText(), Grow("a"), Close(), OpenText(is_refusal=True), Grow("b"), Close()]


def test_an_item_that_comes_only_whole_is_all_there():
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "t"}, {"text": "u"}], "encrypted_content": "gA"}
    assert answer(done(thought), done(WHOLE, 1), done(call, 2)) == [
        OpenThinking("rs_1"),
        Grow("t\n\nu"),
        Close("gA", "openai"),
        OpenText(),
        Grow("a"),
        Close(),
        OpenText(is_refusal=True),
        Grow("b"),
        Close(),
        OpenCall("c", "f"),
        Grow("{}"),
        Close(),
    ]


@pytest.mark.parametrize("end", ["response.completed", "response.incomplete"])
def test_an_answer_that_stands_only_in_its_end_is_all_there(end):
    """Some imitators send no events between; it read as whole, and empty."""
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    ended = {"type": end, "response": {**COMPLETED["response"], "output": [{"type": "web_search_call"}, WHOLE, call]}}
    in_events = answer(done(WHOLE), done(call, 1))
    assert read_all(CREATED, ended)[1:-2] == in_events
    assert read_all(CREATED, done(WHOLE), done(call, 1), ended)[1:-2] == in_events


def test_thoughts_are_told_as_summaries_or_as_they_are():
    item = {"type": "reasoning", "id": "rs_1"}
    assert answer(
        added(item),
        piece("reasoning_summary_text.done", summary_index=0, text="a"),
        piece("reasoning_text.delta", content_index=0, delta="b"),
        piece("reasoning_text.done", content_index=0, text="b"),
        piece("reasoning_text.done", content_index=1, text="c"),
        done(item),
    ) == [OpenThinking("rs_1"), Grow("a"), Grow("\n\n"), Grow("b"), Grow("\n\n"), Grow("c"), Close()]


def test_thoughts_without_text_and_seal_are_none():
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert answer(added(item), done(item)) == []


def test_anothers_seal_is_known_by_its_mark():
    item = {"type": "reasoning", "summary": [{"text": ""}], "encrypted_content": "runestone:anthropic:Eq"}
    assert answer(added(item), done(item)) == [OpenThinking(), Close("Eq", "anthropic")]


def test_a_call_keeps_the_name_it_answers_to():
    item = {"type": "custom_tool_call", "id": "ctc_1", "name": "c", "input": "x"}
    assert answer(added(item), done(item)) == [OpenCall("ctc_1", "c", is_custom=True), Grow("x"), Close()]


def test_items_that_overlap_follow_each_other():
    """And an end that nobody said is the answer's."""
    calls = [{"type": "function_call", "call_id": str(i), "name": "f"} for i in range(3)]
    deltas = [piece("function_call_arguments.delta", i, delta=f"{turn}") for turn in range(2) for i in (2, 0, 1)]
    steps = answer(*[added(call, i) for i, call in enumerate(calls)], *deltas)
    assert steps == [step for i in range(3) for step in (OpenCall(str(i), "f"), Grow("0"), Grow("1"), Close())]


def test_items_without_places_follow_each_other():
    """Imitations number them all 0."""
    calls = [{"type": "function_call", "call_id": str(i), "name": "f"} for i in range(2)]
    assert answer(*map(added, calls)) == [
        step for i in range(2) for step in (OpenCall(str(i), "f"), Grow("{}"), Close())
    ]


def test_what_is_not_known_is_passed_over():
    unknown = {"type": "hologram_call", "arguments": {"a": 1}}
    assert (
        answer(
            added(unknown),
            piece("hologram.delta", delta={"x": 1}),
            piece("output_text.delta", delta="of nothing"),
            done(unknown),
            {"type": "response.brand_new", "response": 5},
        )
        == []
    )


def test_an_event_of_another_kind_of_item_is_passed_over():
    assert answer(added(MESSAGE), piece("function_call_arguments.delta", delta="x"), done({"type": "reasoning"})) == []


def test_an_answer_begins_once():
    progress = {**CREATED, "type": "response.in_progress"}
    assert read_all(progress, CREATED, progress) == [Start("resp_1", "m", 5)]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (COMPLETED, "end"),
        (
            {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}},
            "length",
        ),
        ({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "content_filter"}}}, "filter"),
        ({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "brand_new"}}}, "length"),
        ({"type": "response.incomplete", "response": {}}, "length"),
    ],
)
def test_why_an_answer_ends_is_known(event, reason):
    assert read_all(CREATED, event, COMPLETED)[1:] == [Stop(reason), End()]


def test_what_was_not_counted_stays_unset():
    counted = {**COMPLETED, "response": {"usage": {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 0}}}}
    [count] = [step for step in read_all(CREATED, counted) if isinstance(step, Count)]
    assert count.usage == Usage(input_tokens=3, cache_read_input_tokens=0)


def test_logprobs_without_bytes_are_objects_that_chat_completions_know():
    logprob = {"token": "a", "logprob": -1.5, "top_logprobs": [{"token": "b", "logprob": -2.0}]}
    steps = answer(added(MESSAGE), piece("output_text.delta", delta="a", logprobs=[logprob]))
    assert steps[1] == Grow(
        "a",
        [
            {
                "token": "a",
                "logprob": -1.5,
                "bytes": None,
                "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": None}],
            }
        ],
    )


@pytest.mark.parametrize(
    ("event", "reason", "message"),
    [
        (
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "Oops"}}},
            Reason.PROVIDER_FAILED,
            "Oops",
        ),
        (
            {"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "Slow"}}},
            Reason.PROVIDER_RATE_LIMITED,
            "Slow",
        ),
        (
            {"type": "response.failed", "response": {"error": {"code": "invalid_prompt", "message": "Bad"}}},
            Reason.PROVIDER_REFUSED,
            "Bad",
        ),
        ({"type": "response.failed", "response": {}}, Reason.PROVIDER_FAILED, "without saying why"),
        ({"type": "error", "code": None, "message": "Oops", "param": "input"}, Reason.PROVIDER_FAILED, "Oops"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "code": 529, "message": "Busy"}},
            Reason.PROVIDER_OVERLOADED,
            "Busy",
        ),
        ({"error": {"type": "invalid_request_error", "message": "Bad"}}, Reason.PROVIDER_REFUSED, "Bad"),
        (
            {"type": "error", "code": "invalid_api_key", "message": "Incorrect API key: sk-canary"},
            Reason.PROVIDER_CREDENTIALS_REFUSED,
            "the operator must check its api_key",
        ),
    ],
)
def test_a_failure_in_the_stream_is_what_it_says(event, reason, message):
    error = fail(CREATED, event)
    assert error.reason is reason
    assert message in error.message
    assert "canary" not in error.message


@pytest.mark.parametrize(
    "events",
    [
        [b"hello"],
        [b"[]"],
        [b"\xff"],
        [{"id": "chatcmpl-1", "choices": []}],
        [added(MESSAGE)],
        [CREATED, added({"type": "function_call"})],
        [CREATED, {"type": "response.output_item.added", "output_index": 0}],
        [CREATED, {**COMPLETED, "response": {"usage": {"input_tokens": -1}}}],
    ],
)
def test_what_is_not_this_dialect_is_an_invalid_answer(events):
    assert fail(*events).reason is Reason.PROVIDER_INVALID_ANSWER


def test_what_comes_behind_the_end_is_ignored():
    assert read_all(CREATED, COMPLETED, b"[DONE]", b"garbage", CREATED)[-1] == End()
    assert read_all(CREATED, b"[DONE]") == [Start("resp_1", "m", 5)]


values = st.sampled_from(
    [None, True, -1, 0, 1, 2**70, 1.5, 1e308, "", "a", "message", [], [None], [{}], {}, {"type": 5}, {"type": "a"}]
    + [{"type": kind, "name": "f", "text": "a", "content": [{"type": "output_text"}]} for kind in ITEMS]
    + [{"created_at": 1e300}, {"usage": {"output_tokens": 2**64}}, {"error": "a"}, [{"token": 5, "top_logprobs": 5}]]
)
MEMBERS = (
    "response",
    "item",
    "part",
    "delta",
    "output_index",
    "content_index",
    "text",
    "logprobs",
    "annotation",
    "error",
)
events = st.builds(
    lambda kind, members: {**members, "type": kind},
    st.sampled_from(sorted(_EVENTS)),
    st.dictionaries(st.sampled_from(MEMBERS), values, max_size=4),
)


ITEM = st.sampled_from(
    [MESSAGE, {"type": "reasoning"}, {"type": "function_call", "name": "f"}, {"type": "custom_tool_call", "name": "f"}]
)


@given(
    begun=st.lists(ITEM.map(added) | st.just(CREATED), max_size=2),
    garbage=st.lists(st.binary(max_size=60) | events.map(lambda event: json.dumps(event).encode()), max_size=6),
)
def test_garbage_raises_a_runestone_error_or_nothing(begun, garbage):
    reader = DIALECT.open_reader()
    try:
        for data in [*(json.dumps(event).encode() for event in [CREATED, *begun]), *garbage]:
            list(reader.read(data))
    except RunestoneError:
        pass


@given(data=st.data(), path=st.sampled_from(UPSTREAMS))
def test_a_stream_that_was_tampered_with_raises_a_runestone_error_or_nothing(data, path):
    """Events left out, doubled, out of order, and with bytes changed."""
    reader = DIALECT.open_reader()
    upstream = [read_event(frame).data for frame in frames(path.read_bytes())]
    picked = data.draw(st.lists(st.sampled_from(upstream), max_size=12))
    try:
        for event in picked:
            where = data.draw(st.integers(0, 3 * len(event)))  # two of three stay whole
            changed = event[:where] + b"9" + event[where + 1 :] if where < len(event) else event
            list(reader.read(changed))
    except RunestoneError:
        pass
