"""A stream of chunks, as OpenAI or an imitator sends it, is read into steps."""

import msgspec
import pytest
from dialects.openai_chat import golden
from dialects.strategies import unhurried
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from provider_svc.dialects.openai_chat import DIALECT, calls
from provider_svc.dialects.steps import Close, Count, End, Grow, OpenCall, OpenText, OpenThinking, Start, Step, Stop
from runestone.common.v1.usage_pb2 import Usage

DONE = b"[DONE]"


def chunk(delta: object = None, **choice: object) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": None} | choice
    return msgspec.json.encode({"id": "c1", "created": 1, "model": "m", "choices": [choice]})


def call(index: int, name: str | None = None, arguments: str = "", **more: object) -> bytes:
    return chunk({"tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}} | more]})


def read(*events: bytes) -> list[Step]:
    reader = DIALECT.open_reader()
    return [step for data in events for step in reader.read(data)]


def failure(*events: bytes) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        read(*events)
    return caught.value


@pytest.mark.parametrize("name", golden.names("streams", ".sse"))
def test_a_stream_reads_as_its_golden_file_says(name):
    frames = golden.read_text("streams", f"{name}.sse").split(b"\n\n")[:-1]
    steps = read(*(read_event(frame + b"\n\n").data for frame in frames))
    assert golden.read("streams", f"{name}.steps.json") == golden.to_json(steps)


def test_a_later_call_streams_as_soon_as_the_one_before_is_whole():
    """Agents call several tools at once, and their clients show the arguments as they come."""
    reader = DIALECT.open_reader()
    for data in (call(0, "a", "{}", id="call_a"), call(1, "b", "", id="call_b")):
        list(reader.read(data))
    assert list(reader.read(call(1, None, '{"x"'))) == [Grow('{"x"')]


def test_a_call_waits_while_another_is_not_whole():
    reader = DIALECT.open_reader()
    list(reader.read(call(0, "a", '{"x": {}', id="call_a")))
    assert list(reader.read(call(1, "b", "{}", id="call_b"))) == []
    assert list(reader.read(call(0, None, "}"))) == [
        Grow("}"),
        Close(),
        OpenCall("call_b", "b"),
        Grow("{}"),
    ]


def test_a_call_that_others_wait_for_is_read_again_only_when_it_has_grown(monkeypatch):
    """Else each piece of those behind it would cost as much as all that came before."""
    read_texts = []
    decode = calls._decode_arguments
    monkeypatch.setattr(calls, "_decode_arguments", lambda text: read_texts.append(text) or decode(text))
    behind = [call(1, "g", "{"), *[call(1, arguments=" ")] * 50]
    steps = read(chunk({}), call(0, "f", '{"a":{}'), *behind, call(0, arguments="}"), call(1, arguments="}"))
    assert read_texts == ['{"a":{}', '{"a":{}}']
    assert [step.text for step in steps if isinstance(step, Grow)] == ['{"a":{}', "}", "{" + 50 * " ", "}"]


def test_a_call_is_opened_when_its_name_is_known():
    steps = read(call(0, None, "{", id="call_a"), call(0, "a", "}"), chunk(finish_reason="tool_calls"), DONE)
    assert steps[1:4] == [OpenCall("call_a", "a"), Grow("{}"), Close()]


def test_a_piece_that_has_an_id_alone_begins_its_call():
    steps = read(chunk({"tool_calls": [{"index": 0, "id": "call_a"}]}), call(0, "a", "{}"))
    assert steps[1:] == [OpenCall("call_a", "a"), Grow("{}")]


def test_a_choice_without_a_delta_may_stop():
    assert read(b'{"choices": [{"index": null, "finish_reason": "stop"}]}', DONE) == [Start("", ""), Stop("end"), End()]


def test_space_behind_a_whole_call_is_nothing():
    events = (call(0, "a", "{}", id="call_a"), call(1, "b", "{}", id="call_b"), call(0, None, " \n"))
    assert len([step for step in read(*events) if isinstance(step, Grow)]) == 2


def test_more_of_a_call_that_was_whole_is_no_answer():
    error = failure(call(0, "a", "{}", id="call_a"), call(1, "b", "{}", id="call_b"), call(0, None, "x"))
    assert error.reason is Reason.PROVIDER_INVALID_ANSWER


def test_a_call_without_a_name_is_no_answer():
    error = failure(call(0, None, "{}", id="call_a"), chunk(finish_reason="tool_calls"))
    assert error.reason is Reason.PROVIDER_INVALID_ANSWER


@pytest.mark.parametrize(
    "data", [b"", b"nothing", b"[]", b'"x"', b'{"choices": 1}', b"\xff", b'{"choices": [{"delta": 1}]}']
)
def test_what_is_not_a_chunk_is_no_answer(data):
    assert failure(data).reason is Reason.PROVIDER_INVALID_ANSWER


def test_an_error_in_the_stream_is_raised_as_what_it_says():
    error = failure(chunk({"content": "Hi"}), b'{"error": {"type": "rate_limit_error", "message": "Slow down."}}')
    assert (error.reason, error.message) == (Reason.PROVIDER_RATE_LIMITED, "Slow down.")


def test_an_error_that_is_null_is_none():
    assert read(chunk({"content": "Hi"})[:-1] + b',"error":null}')


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource"])
def test_a_model_that_stopped_for_a_failure_did_not_answer(reason):
    """A cut answer never looks whole."""
    assert failure(chunk({"content": "Hi"}, finish_reason=reason), DONE).reason is Reason.PROVIDER_FAILED


def test_an_end_without_a_reason_is_no_answer():
    assert failure(chunk({"content": "Hi"}), DONE).reason is Reason.PROVIDER_INVALID_ANSWER
    assert failure(DONE).reason is Reason.PROVIDER_INVALID_ANSWER


def test_an_empty_reason_says_nothing():
    assert read(chunk(finish_reason=""), chunk(finish_reason="length"), chunk(finish_reason=""), DONE)[-2:] == [
        Stop("length"),
        End(),
    ]


@pytest.mark.parametrize(("met", "stop"), [("END", Stop("sequence", "END")), (7, Stop("end"))])
def test_a_stop_that_is_said_in_other_words_is_one(met, stop):
    """vLLM tells the sequence, or the number of the token."""
    assert read(chunk({"content": "Hi"}, stop_reason=met), DONE)[-2:] == [stop, End()]


def test_a_reason_younger_than_the_table_is_an_end():
    assert read(chunk(finish_reason="enlightenment"), DONE)[-2] == Stop("end")


def test_thinking_of_two_sources_follows_each_other():
    events = (
        chunk({"reasoning": "a"}),
        chunk({"thinking_blocks": [{"type": "redacted_thinking", "data": "x"}]}),
        chunk(
            {"thinking_blocks": [{"type": "thinking", "thinking": "b", "signature": "runestone:openai:s", "id": "rs"}]}
        ),
    )
    assert read(*events)[1:] == [
        OpenThinking(),
        Grow("a"),
        Close(),
        OpenThinking(is_redacted=True),
        Close("x", "anthropic"),
        OpenThinking("rs"),
        Grow("b"),
        Close("s", "openai"),
    ]


def test_what_is_empty_is_no_part():
    empty = {"content": "", "refusal": "", "reasoning_content": "", "tool_calls": [], "annotations": [{}]}
    assert read(chunk(empty), chunk({"content": [{"type": "text"}, {"thinking": ""}, {"thinking": [{}]}]})) == [
        Start("c1", "m", 1)
    ]


def test_an_answer_begins_where_it_is_named():
    usage = b'{"usage": {"prompt_tokens": 1}}'
    assert read(b'{"choices": []}', usage) == [Start("", ""), Count(Usage(input_tokens=1))]


@pytest.mark.parametrize("usage", [b"null", b"7", b'{"prompt_tokens": -1}', b'{"prompt_tokens": 99999999999999999999}'])
def test_usage_that_is_none_is_not_counted(usage):
    assert [type(step) for step in read(chunk({"content": "x"})[:-1] + b',"usage":' + usage + b"}")] == [
        Start,
        OpenText,
        Grow,
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "content": st.text(max_size=3)
        | st.lists(st.fixed_dictionaries({}, optional={"text": json_values}), max_size=2),
        "refusal": st.text(max_size=2),
        "reasoning": json_values,
        "thinking_blocks": st.lists(
            st.fixed_dictionaries({}, optional={"thinking": st.text(max_size=2), "signature": st.text(max_size=2)}),
            max_size=2,
        ),
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"index": st.integers(0, 2) | st.none()},
                optional={
                    "id": st.sampled_from(("a", "b")),
                    "function": st.fixed_dictionaries(
                        {}, optional={"name": st.just("f"), "arguments": st.sampled_from(("{", "}", "{}", " ", ""))}
                    ),
                    "custom": st.fixed_dictionaries({}, optional={"name": st.just("c"), "input": st.text(max_size=2)}),
                },
            ),
            max_size=3,
        ),
        "function_call": json_values | st.just({"name": "f", "arguments": "{}"}),
        "annotations": st.just([{"url_citation": {"url": "u"}}]) | json_values,
    },
)
likely = st.builds(
    lambda delta, finish, more: chunk(delta, finish_reason=finish)[:-1] + b',"x":' + msgspec.json.encode(more) + b"}",
    deltas,
    st.sampled_from((None, None, "", "stop", "tool_calls", "error")),
    json_values,
)
garbage = st.binary(max_size=40) | json_values.map(msgspec.json.encode)


@unhurried
@given(st.lists(st.one_of(likely, likely, likely, garbage, st.just(DONE)), max_size=8))
def test_any_events_are_read_in_the_order_of_steps_or_raise_what_the_mesh_knows(events):
    reader = DIALECT.open_reader()
    steps: list[Step] = []
    try:
        for data in events:
            steps += reader.read(data)
            if data == DONE:
                break
    except RunestoneError:
        pass
    check_order(steps)


def check_order(steps: list[Step]) -> None:
    """Start first, one part at a time, nothing empty, nothing behind the end."""
    is_open = False
    for i, step in enumerate(steps):
        assert (i == 0) == isinstance(step, Start)
        match step:
            case OpenText() | OpenThinking() | OpenCall():
                assert not is_open
                is_open = True
            case Close():
                assert is_open
                is_open = False
            case Grow(text):
                assert is_open and text
            case Stop():
                assert not is_open and steps[i + 1 :] == [End()]


@unhurried
@given(st.binary())
def test_any_bytes_are_an_event_or_none_of_this_dialect(data):
    try:
        steps = read(data)
    except RunestoneError:
        steps = []
    check_order(steps)
