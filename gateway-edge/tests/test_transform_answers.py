"""What a transform makes of an answer: the same whether it is streamed or not, and always an answer."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.config.shapes import convert
from chassis.config.transform import TransformOptions
from chassis.errors import Reason, RunestoneError
from gateway_edge.transform.answers import IN_ONE_TURN, AnswerPlan, StreamChange
from gateway_edge.transform.facts import Facts

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "simulated"}
FACTS = Facts(tenant="acme", key="ci", request_id="req_1", metadata={}, headers={}, document={})
SECRET = {"redact": {"pattern": r"\bsk-[a-z0-9]{6,20}\b"}}
ALL = {"redact": {"pattern": r"\bsk-[a-z0-9]{6,20}\b", "in": "all"}}
DONE = b"data: [DONE]\n\n"


def plan_of(*changes: dict[str, Any], **options: Any) -> AnswerPlan:
    return AnswerPlan(convert({"response": list(changes), **options}, TransformOptions))


def event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def chunk(delta: Any, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event(HEAD | {"choices": [choice]} | more)


def usage(**more: Any) -> bytes:
    return event(HEAD | {"choices": [], "usage": {"total_tokens": 3}} | more)


def streamed(plan: AnswerPlan, writes: list[bytes]) -> bytes:
    change = StreamChange(plan, FACTS)
    return b"".join([part for events in writes for part in change.change(events)]) + change.finish()


def answered(plan: AnswerPlan, document: Any) -> Any:
    work = plan.change_document(orjson.dumps(document), FACTS)
    while True:
        try:
            next(work)
        except StopIteration as done:
            return orjson.loads(done.value)


def data_of(stream: bytes) -> list[Any]:
    """The data of every event; raises for what is none."""
    assert stream.endswith(b"\n\n") or not stream
    datas = [part.removeprefix(b"data: ") for part in stream.split(b"\n\n")[:-1]]
    return ["[DONE]" if data == b"[DONE]" else orjson.loads(data) for data in datas]


def text_of(stream: bytes, index: int = 0, name: str = "content") -> str:
    choices = [choice for data in data_of(stream) if data != "[DONE]" for choice in data["choices"]]
    return "".join(choice["delta"].get(name) or "" for choice in choices if choice["index"] == index)


def test_every_event_is_changed_where_it_stands():
    plan = plan_of({"set": {"path": "model", "value": "fast"}}, {"remove": {"path": "created"}})
    stream = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hi"}), chunk({}, "stop"), usage(), DONE]
    datas = data_of(streamed(plan, stream))
    assert [data if data == "[DONE]" else data["model"] for data in datas] == ["fast"] * 4 + ["[DONE]"]
    assert all("created" not in data for data in datas)
    assert [data["choices"][0]["delta"] for data in datas[:3]] == [
        {"role": "assistant", "content": ""},
        {"content": "hi"},
        {},
    ]


def test_comments_ids_and_line_ends_survive():
    plan = plan_of({"set": {"path": "model", "value": "fast"}})
    stream = (
        b': ping\r\n\r\nid: 7\r\nevent: x\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata:{"b":2}\r\n\r\ndata: [DONE]\r\n\r\n'
    )
    assert streamed(plan, [stream]) == (
        b': ping\n\nid: 7\nevent: x\ndata: {"a":1,"model":"fast"}\n\ndata: {"b":2,"model":"fast"}\n\ndata: [DONE]\n\n'
    )


def test_a_secret_in_several_events_is_found_and_the_rest_stays_in_place():
    words = ["my ", "key ", "is ", "sk-", "abc", "123", "xyz", ", keep", " it ", "to yourself, and tell nobody of it"]
    stream = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in words)]
    sent = streamed(plan_of(SECRET), [*stream, chunk({}, "stop"), usage(), DONE])
    assert text_of(sent) == "my key is [redacted], keep it to yourself, and tell nobody of it"
    datas = data_of(sent)
    assert datas[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [data["choices"][0]["finish_reason"] for data in datas[:-2]] == [None] * (len(datas) - 3) + ["stop"]
    assert datas[-2]["usage"] == {"total_tokens": 3}
    assert datas[-1] == "[DONE]"


def test_what_is_held_back_comes_in_an_event_of_its_own_before_the_end_of_its_choice():
    sent = streamed(
        plan_of(SECRET), [chunk({"content": "hi"}, usage=None), chunk({}, "stop", usage={"total_tokens": 1})]
    )
    first, last = data_of(sent)
    rest = {"index": 0, "delta": {"content": "hi"}, "finish_reason": None}
    assert first == HEAD | {"usage": None, "choices": [rest]}
    assert last["choices"][0]["delta"] == {}
    assert last["usage"] == {"total_tokens": 1}


def test_text_in_the_last_event_keeps_its_place():
    sent = streamed(plan_of(SECRET), [chunk({"content": "a" * 60}), chunk({"content": "b sk-abc123"}, "stop"), DONE])
    assert text_of(sent) == "a" * 60 + "b [redacted]"


@pytest.mark.parametrize("end", [DONE, b""])
def test_a_stream_without_an_end_of_its_choice_loses_no_text(end):
    sent = streamed(plan_of(SECRET), [chunk({"content": "sk-abc123"}), usage(), end])
    assert text_of(sent) == "[redacted]"
    last = data_of(sent)[-1]
    assert last == "[DONE]" if end else last["choices"][0]["delta"] == {"content": "[redacted]"}


def test_choices_and_their_texts_are_kept_apart():
    """A secret in two choices by turns is one in each; a refusal is not the content."""
    parts = [({"content": "sk-a"}, 0), ({"content": "sk-"}, 1), ({"refusal": "no bc123"}, 0), ({"content": "bc123"}, 0)]
    parts += [({"content": "xyz789 "}, 1), ({"content": " end"}, 0)]
    stream = [chunk(delta, index=index) for delta, index in parts]
    sent = streamed(plan_of(SECRET), [*stream, chunk({}, "stop", 1), chunk({}, "stop", 0), DONE])
    assert text_of(sent) == "[redacted] end"
    assert text_of(sent, name="refusal") == "no bc123"
    assert text_of(sent, index=1) == "[redacted] "


def tool(arguments: str, index: int = 0, **more: Any) -> bytes:
    return chunk({"tool_calls": [{"index": index, **more, "function": {"arguments": arguments}}]})


def test_tool_calls_keep_their_place_and_are_not_touched_unless_asked():
    stream = [
        chunk({"content": "Let me see, sk-abc123"}),
        tool("", id="call_1", type="function"),
        tool('{"key": "sk-abc'),
        tool('123"}'),
        tool("{}", 1, id="call_2"),
        chunk({}, "tool_calls"),
        DONE,
    ]
    datas = data_of(streamed(plan_of(SECRET), stream))
    calls = [data["choices"][0]["delta"]["tool_calls"][0] for data in datas[:-3]]
    assert "".join(call["function"]["arguments"] for call in calls if call["index"] == 0) == '{"key": "sk-abc123"}'
    assert [call.get("id") for call in calls] == ["call_1", None, None, "call_2"]
    assert datas[-3]["choices"][0]["delta"] == {"content": "Let me see, [redacted]"}

    datas = data_of(streamed(plan_of(ALL), stream))
    calls = [call for data in datas[:-1] for call in data["choices"][0]["delta"].get("tool_calls", [])]
    assert "".join(call["function"]["arguments"] for call in calls if call["index"] == 0) == '{"key": "[redacted]"}'
    assert "".join(call["function"]["arguments"] for call in calls if call["index"] == 1) == "{}"
    assert [data["choices"][0]["finish_reason"] for data in datas[:-1]][-1] == "tool_calls"


def test_logprobs_do_not_spell_what_was_redacted():
    logprobs = {"content": [{"token": "sk-abc123"}]}
    choice = {"index": 0, "finish_reason": None, "logprobs": logprobs}
    streaming = event(HEAD | {"choices": [choice | {"delta": {"content": "x"}}]})
    assert b"sk-abc123" not in streamed(plan_of(SECRET), [streaming, chunk({}, "stop")])
    unary = {"choices": [choice | {"message": {"content": "x"}}]}
    assert answered(plan_of(SECRET), unary)["choices"][0]["logprobs"] is None
    assert answered(plan_of({"remove": {"path": "x"}}), unary) == unary


def test_redaction_comes_before_the_other_changes():
    plan = plan_of(
        {"set": {"path": "by", "value": "sk-abc123"}}, {"rename": {"from": "choices", "to": "answers"}}, SECRET
    )
    assert answered(plan, {"choices": [{"message": {"content": "sk-abc123"}}]}) == {
        "answers": [{"message": {"content": "[redacted]"}}],
        "by": "sk-abc123",
    }


def test_several_rules_hold_in_the_stream_and_in_the_document():
    plan = plan_of(SECRET, {"redact": {"pattern": "[0-9]{3}-[0-9]{2}", "with": "#"}})
    assert answered(plan, {"choices": [{"message": {"content": "123-45 sk-abc123"}}]})["choices"] == [
        {"message": {"content": "# [redacted]"}}
    ]
    assert (
        text_of(streamed(plan, [chunk({"content": "123-"}), chunk({"content": "45 sk-abc123"}), DONE]))
        == "# [redacted]"
    )


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["sk-", "abc123", "zz", " ", "é", "sk-abc123", "123", "x" * 30]), max_size=30),
    st.lists(st.integers(1, 6), min_size=1, max_size=40),
    st.integers(1, 5),
)
def test_any_cut_of_the_stream_says_what_the_unary_answer_says(words, sizes, at_once):
    text = "".join(words)
    plan, pieces, start = plan_of(SECRET), [], 0
    while start < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(chunk({"content": text[start : start + size]}))
        start += size
    stream = [chunk({"role": "assistant", "content": ""}), *pieces, chunk({}, "stop"), usage(), DONE]
    writes = [b"".join(stream[at : at + at_once]) for at in range(0, len(stream), at_once)]
    unary = answered(plan, {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]})
    assert text_of(streamed(plan, writes)) == unary["choices"][0]["message"]["content"]


def test_an_unreadable_event_passes_unless_a_secret_may_stand_in_it():
    stream = [b"data: garbage\n\n", b"data: [1]\n\n"]
    assert streamed(plan_of({"set": {"path": "a", "value": 1}}), stream) == b"".join(stream)
    for part in stream:
        with pytest.raises(RunestoneError) as cut:
            streamed(plan_of(SECRET), [part])
        assert cut.value.reason is Reason.PROVIDER_INVALID_ANSWER


@pytest.mark.parametrize("body", [b"garbage", b"[1]", b'"text"'])
def test_an_unreadable_document_is_not_sent(body):
    with pytest.raises(RunestoneError) as failed:
        list(plan_of({"set": {"path": "a", "value": 1}}).change_document(body, FACTS))
    assert failed.value.reason is Reason.PROVIDER_INVALID_ANSWER


def test_what_is_larger_than_the_bound_is_not_decoded():
    plan = plan_of(SECRET, max_answer="1KiB")
    large = {"choices": [{"message": {"content": "x" * 1024}}]}
    with pytest.raises(RunestoneError, match="`max_answer` of this pipeline's transform is 1024") as failed:
        answered(plan, large)
    assert (failed.value.reason, failed.value.code) == (Reason.PROVIDER_INVALID_ANSWER, "answer_too_large")
    with pytest.raises(RunestoneError, match="`max_answer`"):
        streamed(plan, [chunk({"content": "x" * 1024})])
    assert len(streamed(plan, [chunk({"content": "xy"})] * 2000 + [DONE])) > 4000


def test_a_provider_that_sends_texts_without_end_is_cut_off():
    with pytest.raises(RunestoneError, match="more texts"):
        streamed(plan_of(SECRET), [chunk({"content": "x"}, index=index) for index in range(1025)])


def test_others_have_their_turn_in_a_stream_that_comes_at_once_and_in_a_long_event():
    stream = chunk({"content": "word " * 10}) * (IN_ONE_TURN // 100)
    parts = list(StreamChange(plan_of(SECRET), FACTS).change(stream))
    assert parts.count(b"") >= len(stream) // IN_ONE_TURN
    long = list(StreamChange(plan_of(SECRET), FACTS).change(chunk({"content": "sk-abc123 " * 2000}, "stop")))
    assert long.count(b"") > 5
    assert text_of(b"".join(long)) == "[redacted] " * 2000
