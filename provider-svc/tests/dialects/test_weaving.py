"""One stream of several answers: when it may go on, what the next model is asked, and what is told of it."""

import msgspec
import pytest
from dialects.weaving_stage import (
    CHAT,
    CREATED,
    MESSAGES,
    QUESTIONS,
    RESPONSES,
    Scripted,
    answer,
    fly,
    members_of,
    read_stream,
    stream_of,
)

from chassis.errors import Reason
from chassis.testing import FakeClock
from provider_svc.dialects.going_on import GO_ON, go_on
from provider_svc.dialects.prompt import Prompt, Reasoning, Sampling, Text, Turn
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
    Stop,
)
from provider_svc.dialects.weaving import MOST_PARTS, Weaving
from provider_svc.provider import Chunk, Gathered, Meter, UpstreamCall
from provider_svc.translating import Translating
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_EMBEDDINGS
from runestone.common.v1.usage_pb2 import Usage

START = Start("id", "model", CREATED)
DIALECTS = [CHAT, RESPONSES, MESSAGES]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False, "required": ["a"]}
UNWOVEN = [
    (CHAT, {"n": 2}),
    (CHAT, {"response_format": {"type": "json_object"}}),
    (CHAT, {"store": True}),
    (CHAT, {"nobody_knows_this": 1}),
    (CHAT, {"messages": "none"}),
    (RESPONSES, {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}}),
    (RESPONSES, {"store": True}),
    (RESPONSES, {"previous_response_id": "resp_1"}),
    (RESPONSES, {"tools": [{"type": "web_search"}]}),
    (MESSAGES, {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    (MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
]


def weave(dialect=CHAT, **members):
    return Weaving(dialect, members_of(dialect, **members), CREATED)


def tell(weaving, *steps, meter=None):
    """The events of one more answer."""
    writer = weaving.open_writer(meter or Meter())
    return [event for step in steps for event in writer.write(step)]


def test_a_weaving_goes_on_with_nothing_before_anything_was_told():
    weaving = weave()
    assert (weaving.is_possible, weaving.parts, weaving.can_continue) == (True, 0, False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("steps", "can_continue"),
    [
        ([], True),
        ([OpenText(), Grow("a")], True),
        ([OpenText(), Grow("a"), Close()], True),
        ([OpenThinking(), Grow("a"), Close("c2VhbA==", "anthropic"), OpenText(), Grow("b")], True),
        ([OpenThinking(), Grow("a")], False),
        ([OpenText(is_refusal=True), Grow("a")], False),
        ([OpenText(), Grow("a"), Cite("https://a.test")], False),
        ([OpenText(), Grow("a"), Cite("https://a.test"), Close()], True),
        ([OpenText(), Grow("a"), Close(), OpenCall("call_1", "f")], False),
        ([OpenCall("call_1", "f"), Grow("{}"), Close()], False),
        ([OpenText(), Grow("a"), Close(), Stop("end")], False),
    ],
)
def test_it_goes_on_behind_words_and_whole_thoughts_only(dialect, steps, can_continue):
    weaving = weave(dialect)
    tell(weaving, START, *steps)
    assert weaving.can_continue is can_continue
    weaving.break_off(None)
    assert weaving.can_continue is can_continue


def test_a_model_that_said_why_it_stopped_has_nothing_to_go_on_with():
    """Chat Completions say it before the steps that end an answer."""
    weaving, meter = weave(), Meter()
    tell(weaving, START, OpenText(), Grow("a"), Close(), meter=meter)
    meter.finish_reason = "stop"
    assert weaving.can_continue is False


def test_no_stream_is_put_together_of_more_than_a_few_answers():
    weaving = weave()
    for part in range(1, MOST_PARTS + 1):
        tell(weaving, START, OpenText(), Grow("a"))
        weaving.break_off(None)
        assert (weaving.parts, weaving.can_continue) == (part, part < MOST_PARTS)


@pytest.mark.parametrize(("dialect", "members"), UNWOVEN)
async def test_what_cannot_be_carried_whole_passes_as_without_weaving(dialect, members):
    """Also structured answers, several of them, and those that their provider keeps."""
    weaving = weave(dialect, **members)
    assert (weaving.is_possible, weaving.can_continue) == (False, False)
    stream = stream_of(dialect, answer("a"))
    provider, sink = Scripted(dialect, stream), Gathered()
    call = UpstreamCall(
        call_id="c", model="m", stream=True, members=members_of(dialect, **members), dialect=dialect, weaving=weaving
    )
    await Translating(provider, FakeClock()).call(call, sink)
    assert provider.calls == [call]
    assert b"".join(chunk.body for chunk in sink.steps if isinstance(chunk, Chunk)) == stream


def test_what_is_no_conversation_is_not_woven():
    assert Weaving(DIALECT_OPENAI_EMBEDDINGS, {"input": msgspec.Raw(b'"a"')}, CREATED).is_possible is False


async def test_a_document_is_not_woven():
    weaving, members = weave(), members_of(CHAT)
    provider, sink = Scripted(CHAT, b""), Gathered()
    call = UpstreamCall(call_id="c", model="m", stream=False, members=members, weaving=weaving)
    await Translating(provider, FakeClock()).call(call, sink)
    assert provider.calls == [call]
    assert weaving.parts == 0


async def test_a_makers_headers_go_along_in_its_own_dialect_only():
    for spoken, headers in ((MESSAGES, {"anthropic-beta": "x"}), (CHAT, {})):
        provider = Scripted(spoken, stream_of(spoken, answer("a")))
        call = UpstreamCall(
            call_id="c",
            model="m",
            stream=True,
            members=members_of(MESSAGES),
            dialect=MESSAGES,
            headers={"anthropic-beta": "x"},
            weaving=weave(MESSAGES),
        )
        await Translating(provider, FakeClock()).call(call, Gathered())
        assert provider.calls[0].headers == headers


def test_the_marker_is_an_event_of_its_own_on_one_line():
    weaving = weave()
    tell(weaving, START, OpenText(), Grow("a"))
    weaving.break_off(None)
    weaving.mark("continued by a/b\ndata: evil\r")
    assert tell(weaving, START)[0] == b": continued by a/b data: evil\n\n"


def test_an_answer_has_the_mark_that_was_made_when_it_was_opened():
    weaving = weave()
    tell(weaving, START)
    weaving.break_off(None)
    weaving.mark("one")
    first = weaving.open_writer(Meter())
    weaving.mark("two")
    assert list(first.write(START)) == [b": one\n\n"]


@pytest.mark.parametrize("has_begun", [False, True])
def test_of_two_answers_at_once_the_first_that_says_something_is_told(has_begun):
    """Where calls are hedged, both are open."""
    weaving = weave()
    if has_begun:
        tell(weaving, START, OpenText(), Grow("a"))
        weaving.break_off(None)
    slow, fast = weaving.open_writer(Meter()), weaving.open_writer(Meter())
    assert fast.write(START)
    for step in (START, OpenText(), Grow("b"), Close(), Stop("end"), End()):
        assert not slow.write(step)
    fast.write(OpenText())
    assert fast.write(Grow("c"))
    assert weaving.parts == 1 + has_begun
    assert weaving.can_continue


def test_an_answer_that_was_opened_before_a_break_says_nothing_behind_it():
    weaving = weave()
    late = weaving.open_writer(Meter())
    tell(weaving, START, OpenText(), Grow("a"))
    weaving.break_off(None)
    assert not late.write(START)
    assert tell(weaving, START) == [b": continued\n\n"]


def test_what_is_held_back_at_the_seam_of_a_dead_answer_was_never_said():
    text = "The fjord lies north of the old town"
    whole = stream_of(CHAT, answer(text))
    one = Scripted(CHAT, whole, whole.index(b'"stop"'))
    begun = stream_of(CHAT, answer("of the old t", "ower", name="two"))
    two = Scripted(CHAT, begun, begun.index(b"ower"))
    three = Scripted(CHAT, stream_of(CHAT, answer("of the old town.", name="three")))
    flown = fly(CHAT, one, two, three)
    assert flown.failures == [Reason.PROVIDER_STREAM_CUT, Reason.PROVIDER_STREAM_CUT, None]
    assert flown.asked[2]["messages"][1]["content"] == text
    assert read_stream(CHAT, flown.body).text == text + "."


def test_what_is_held_back_is_told_when_the_answer_ends_after_all():
    begun = stream_of(MESSAGES, answer("The fjord lies north of the old town"))
    more = stream_of(MESSAGES, answer("of the ", "old t", call="call_1", name="two"))
    for dialect in DIALECTS:
        one, two = Scripted(MESSAGES, begun, begun.index(b"content_block_stop")), Scripted(MESSAGES, more)
        read = read_stream(dialect, fly(dialect, one, two).body)
        assert (read.text, len(read.calls)) == ("The fjord lies north of the old townof the old t", 1)


def test_usage_of_three_answers_is_told_once_and_added_up():
    spent = [Usage(input_tokens=1, output_tokens=10), None]
    begun = stream_of(MESSAGES, answer("a", usage=Usage(input_tokens=1, output_tokens=2)))
    cut = begun.index(b"content_block_stop")
    providers = (Scripted(MESSAGES, begun, cut), Scripted(MESSAGES, begun, cut), Scripted(MESSAGES, begun))
    for dialect in DIALECTS:
        flown = fly(dialect, *providers, usages=spent)
        assert read_stream(dialect, flown.body).usage == (2, 12)
        assert read_stream(dialect, flown.body).text == "aaa"


def test_usage_is_told_also_where_the_last_answer_says_none():
    begun = stream_of(CHAT, answer("a"))
    providers = (Scripted(CHAT, begun, begun.index(b"[DONE]") - 300), Scripted(CHAT, stream_of(CHAT, answer("b"))))
    flown = fly(CHAT, *providers, usages=[Usage(input_tokens=3, output_tokens=4)])
    assert read_stream(CHAT, flown.body).usage == (3, 4)


def test_a_break_is_counted_once():
    weaving = weave()
    tell(weaving, START, OpenText(), Grow("a"))
    for _ in range(2):
        weaving.break_off(Usage(input_tokens=1))
    events = tell(weaving, START, Count(Usage(input_tokens=1, output_tokens=1)), Stop("end"), End())
    assert b'"prompt_tokens":2' in b"".join(events)


def test_what_the_next_model_thinks_is_left_out_behind_words_and_told_before_any():
    for said, thought in (((), "Hm"), ((OpenText(), Grow("a")), "")):
        weaving = weave()
        events = tell(weaving, START, *said)
        weaving.break_off(None)
        more = (OpenThinking(), Grow("Hm"), Close("c2VhbA==", "anthropic"), OpenText(), Grow("b"), Close())
        events += tell(weaving, START, *more, Stop("end"), End())
        read = read_stream(CHAT, b"".join(events))
        assert (read.thinking, read.text) == (thought, "ab" if said else "b")


def test_a_refusal_of_the_next_model_is_a_part_of_its_own():
    weaving = weave(RESPONSES)
    events = tell(weaving, START, OpenText(), Grow("a"))
    weaving.break_off(None)
    events += tell(weaving, START, OpenText(is_refusal=True), Grow("No."), Close(), Stop("end"), End())
    content = msgspec.json.decode(events[-1].split(b"data: ")[1])["response"]["output"][0]["content"]
    assert [part.get("text") or part.get("refusal") for part in content] == ["a", "No."]


ASKED = Turn(role="user", parts=(Text(text="Hi"),))


def test_the_next_model_is_told_what_was_said_and_to_go_on():
    prompt = Prompt(turns=(ASKED,), reasoning=Reasoning(budget=2_000, summary="auto"))
    asked = go_on(prompt, "The fjord ", 7)
    assert [(turn.role, [part.text for part in turn.parts]) for turn in asked.turns] == [
        ("user", ["Hi"]),
        ("assistant", ["The fjord "]),
        ("user", [GO_ON]),
    ]
    assert asked.reasoning == Reasoning()


def test_an_answer_that_its_client_began_is_one_turn_with_what_was_said():
    prompt = Prompt(turns=(ASKED, Turn(role="assistant", parts=(Text(text="It "),))))
    turns = go_on(prompt, "is", 0).turns
    assert [part.text for part in turns[1].parts] == ["It ", "is"]
    assert len(turns) == 3


@pytest.mark.parametrize("words", ["", " \n"])
def test_where_no_word_was_said_the_question_is_asked_as_it_was(words):
    prompt = Prompt(turns=(ASKED,), sampling=Sampling(max_tokens=50))
    assert go_on(prompt, words, 5) == prompt


@pytest.mark.parametrize(
    ("bound", "spent", "left"), [(None, 5, None), (100, 30, 70), (100, 95, 16), (100, 500, 16), (10, 5, 10)]
)
def test_the_clients_bound_counts_over_all_answers(bound, spent, left):
    prompt = Prompt(turns=(ASKED,), sampling=Sampling(max_tokens=bound))
    assert go_on(prompt, "a", spent).sampling.max_tokens == left


def test_thinking_that_was_switched_off_stays_so_and_its_effort_is_kept():
    off = Prompt(turns=(ASKED,), reasoning=Reasoning(is_enabled=False))
    assert go_on(off, "a", 0).reasoning == Reasoning(is_enabled=False)
    low = Prompt(turns=(ASKED,), reasoning=Reasoning(is_enabled=True, effort="low"))
    assert go_on(low, "a", 0).reasoning == Reasoning(effort="low")


def test_every_question_of_this_stage_can_be_woven():
    assert all(weave(dialect).is_possible for dialect in QUESTIONS)
