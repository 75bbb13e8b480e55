"""An answer is written as OpenAI writes it: its SDK reads every stream, and the document is what the stream says at its end."""

import json

import httpx2
import msgspec
import pytest
from dialects.openai_responses.wire import CREATED, asked, document_of, events_of, frames, read, steps_of, stream_of
from dialects.strategies import answers
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.openai_responses import DIALECT
from provider_svc.dialects.prompt import Thinking
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
from runestone.common.v1.usage_pb2 import Usage

START = Start("msg_01", "claude-x", 1_786_300_000)
QUESTION = asked(model="claude", input="Hi")
FILTERED = ("end", "length", "filter", "sequence", "pause")


def answer(*steps: Step, reason: str = "end") -> list[Step]:
    return [START, *steps, Stop(reason), End()]


def response_of(*steps: Step, reason: str = "end", **body: object) -> dict:
    """The `response` of the last event, which is also the document."""
    question = asked(model="claude", input="Hi", **body)
    whole = answer(*steps, reason=reason)
    response = events_of(stream_of(whole, question))[-1]["response"]
    assert response == document_of(whole, question)
    return response


def types_of(*steps: Step) -> list[str]:
    events = events_of(stream_of(answer(*steps), QUESTION))
    return [event["type"].removeprefix("response.") for event in events[2:-1]]


@given(answers(reasons=FILTERED))
def test_the_document_is_what_the_stream_says_at_its_end(steps):
    events = events_of(stream_of(steps, QUESTION))
    assert events[-1]["response"] == document_of(steps, QUESTION)


@given(answers(reasons=FILTERED))
def test_what_the_items_say_is_what_the_answer_says(steps):
    """A client may read item by item, or only the end."""
    events = events_of(stream_of(steps, QUESTION))
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert items == events[-1]["response"]["output"]
    ids = [item["id"] for item in items if item["type"] != "reasoning"]
    assert len(set(ids)) == len(ids)


@given(answers(reasons=("end", "length", "filter")))
def test_what_was_written_is_read_as_the_same_answer(steps):
    again = steps_of(stream_of(steps, QUESTION))
    assert joined(again) == joined(steps)


def joined(steps: list[Step]) -> list[Step]:
    """The same answer in the words of this dialect: pieces put together; ids and places where OpenAI has its own."""
    whole: list[Step] = []
    held: list[Step] = []
    for step in steps:
        match step:
            case Grow(text) if whole and isinstance(whole[-1], Grow):
                whole[-1] = Grow(whole[-1].text + text)
            case Cite():
                held.append(step)
            case Close():
                whole += [*held, step]
                held = []
            case Count(usage):
                whole.append(Count(Usage(cache_write_input_tokens=0)))
                whole[-1].usage.MergeFrom(usage)
            case Start(_, model, created):
                whole.append(Start("", model, created))
            case OpenThinking(_, is_redacted):
                whole.append(OpenThinking("", is_redacted))
            case _:
                whole.append(step)
    return whole


def serve(stream: bytes) -> OpenAI:
    def respond(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/v1/responses"
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    return OpenAI(
        base_url="http://gateway.test/v1",
        api_key="sk-test",
        http_client=httpx2.Client(transport=httpx2.MockTransport(respond)),
    )


@given(answers(reasons=("end", "sequence", "pause")))
def test_openais_sdk_accumulates_every_whole_answer(steps):
    stream = stream_of(steps, QUESTION)
    with serve(stream) as client, client.responses.stream(model="claude", input="Hi") as events:
        final = events.get_final_response()
    document = document_of(steps, QUESTION)
    assert final.id == document["id"]
    assert [item.type for item in final.output] == [item["type"] for item in document["output"]]
    said = [part["text"] for item in document["output"] for part in item.get("content", ()) if "text" in part]
    assert final.output_text == "".join(said)


def test_texts_in_a_row_are_one_message():
    assert types_of(OpenText(), Grow("a"), Close(), OpenText(is_refusal=True), Grow("b"), Close()) == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ]


def test_calls_come_with_their_arguments_in_pieces_and_whole():
    events = events_of(stream_of(answer(OpenCall("call_1", "f"), Grow('{"a"'), Grow(":1}"), Close()), QUESTION))
    assert [event["delta"] for event in events if event["type"].endswith(".delta")] == ['{"a"', ":1}"]
    [whole] = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert (whole["arguments"], whole["name"], whole["item_id"]) == ('{"a":1}', "f", "fc_msg_01_0")


def test_a_call_without_arguments_is_given_an_empty_object():
    [item] = response_of(OpenCall("call_1", "f"), Close(), reason="tools")["output"]
    assert item["arguments"] == "{}"
    assert types_of(OpenCall("call_1", "f"), Close())[1:3] == [
        "function_call_arguments.delta",
        "function_call_arguments.done",
    ]
    [item] = response_of(OpenCall("call_1", "c", is_custom=True), Close(), reason="tools")["output"]
    assert item["input"] == ""


def test_thinking_is_told_as_a_summary_and_sealed():
    steps = [OpenThinking(), Grow("hm"), Close("Eq==", "anthropic")]
    [item] = response_of(*steps)["output"]
    assert item == {
        "type": "reasoning",
        "id": "rs_msg_01_0",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "runestone:anthropic:Eq==",
    }
    assert types_of(*steps) == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]


@pytest.mark.parametrize(
    "thought",
    [
        Thinking(text="a", seal="Eq", sealed_by="anthropic"),
        Thinking(text="", seal="Eq", sealed_by="anthropic"),
        Thinking(seal="Eq", sealed_by="anthropic", is_redacted=True),
        Thinking(text="a", seal="gA", sealed_by="openai", id="rs_abc"),
        Thinking(text="a"),
    ],
)
def test_thoughts_that_the_client_hands_back_are_what_they_were(thought):
    """A conversation with tools goes on only with the proofs of what was thought."""
    pieces = [Grow(thought.text)] if thought.text else []
    steps = [OpenThinking(thought.id, thought.is_redacted), *pieces, Close(thought.seal, thought.sealed_by)]
    prompt, lost = read({"input": response_of(*steps)["output"]})
    [turn] = prompt.turns
    [back] = turn.parts
    assert msgspec.structs.replace(back, id=thought.id) == thought
    assert lost == ()
    assert thought.id in {"", back.id}


def test_sources_are_told_when_the_text_is_whole():
    steps = [OpenText(), Cite("https://x.test", "X"), Grow("words"), Close()]
    [item] = response_of(*steps)["output"]
    assert item["content"][0]["annotations"] == [
        {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 5}
    ]
    assert types_of(*steps)[2:5] == ["output_text.delta", "output_text.annotation.added", "output_text.done"]


def test_logprobs_are_spelt():
    logprob = {"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": []}
    [item] = response_of(OpenText(), Grow("é", [logprob]), Close())["output"]
    assert item["content"][0]["logprobs"] == [
        {"token": "é", "bytes": [195, 169], "logprob": -0.5, "top_logprobs": []},
    ]


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("end", "completed", None),
        ("sequence", "completed", None),
        ("tools", "completed", None),
        ("pause", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("filter", "incomplete", "content_filter"),
    ],
)
def test_why_an_answer_ends_is_its_status(reason, status, why):
    response = response_of(OpenText(), Grow("a"), Close(), reason=reason)
    assert (response["status"], response["output"][-1]["status"]) == (status, status)
    assert response["incomplete_details"] == (why and {"reason": why})


def test_an_item_that_the_end_cut_short_is_incomplete():
    """A call with half its arguments must not be made."""
    steps = [OpenText(), Grow("a"), Close(), OpenCall("call_1", "f"), Grow('{"a'), Close()]
    output = response_of(*steps, reason="length")["output"]
    assert [item["status"] for item in output] == ["completed", "incomplete"]


def test_the_words_of_a_refusal_are_one():
    steps = [START, OpenText(), Grow("a"), Close(), Stop("filter", None, "Against the rules."), End()]
    response = events_of(stream_of(steps, QUESTION))[-1]["response"]
    assert response == document_of(steps, QUESTION)
    assert response["output"][0]["content"][1] == {"type": "refusal", "refusal": "Against the rules."}


def test_usage_has_every_count():
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_input_tokens=4)
    assert response_of(Count(usage))["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    }
    assert response_of()["usage"] is None


def test_the_clients_members_are_said_again():
    body = {
        "instructions": "Be brief.",
        "max_output_tokens": 9,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "temperature": 0.25,
        "text": {"format": {"type": "json_object"}},
        "tool_choice": {"type": "function", "name": "f"},
        "top_p": 0.5,
        "user": "u",
    }
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    response = response_of(**body, tools=[tool, {"type": "web_search"}], store=True)
    assert {name: response[name] for name in body} == body
    assert response["tools"] == [{**tool, "description": None, "strict": None}]
    assert response["store"] is False


def test_members_that_the_client_left_out_have_openais_defaults():
    response = response_of(metadata=None, tools=None)
    assert response["metadata"] == {}
    assert response["tools"] == []
    assert response["tool_choice"] == "auto"
    assert response["parallel_tool_calls"] is True
    assert response["text"] == {"format": {"type": "text"}}


@pytest.mark.parametrize(
    ("start", "answer_id", "created"),
    [
        (Start("chatcmpl-9", "m", 7), "resp_chatcmpl-9", 7),
        (Start("resp_9", "m", 7), "resp_9", 7),
        (Start("", "m", None), f"resp_{CREATED:x}", CREATED),
    ],
)
def test_an_answer_has_an_id_as_openais(start, answer_id, created):
    response = document_of([start, Stop("end"), End()], QUESTION)
    assert (response["id"], response["created_at"], response["model"]) == (answer_id, created, "m")


def test_every_event_travels_by_itself():
    writer = DIALECT.open_writer(QUESTION)
    for step in answer(OpenText(), Grow("a\n\nb"), Close()):
        for event in writer.write(step):
            assert frames(event) == [event]


@pytest.mark.parametrize("steps", [[Grow("a")], [START, Grow("a")], [OpenText()], [End()]])
def test_a_step_that_cannot_stand_where_it_does_is_an_invalid_answer(steps):
    with pytest.raises(RunestoneError) as caught:
        stream_of(steps, QUESTION)
    assert caught.value.reason is Reason.PROVIDER_INVALID_ANSWER


@given(st.text(max_size=20))
def test_any_text_travels_whole(text):
    events = events_of(stream_of(answer(OpenText(), Grow(text), Close()), QUESTION))
    [delta] = [event for event in events if event["type"] == "response.output_text.delta"]
    assert (delta["delta"], json.loads(json.dumps(delta))["logprobs"]) == (text, [])
