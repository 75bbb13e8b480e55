"""Steps are written as OpenAI would have sent them, and read again as what they were."""

from collections import Counter

import msgspec
import pytest
from dialects.openai_chat import golden
from dialects.strategies import answers, unhurried
from hypothesis import assume, given
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_chat import DIALECT
from provider_svc.dialects.prompt import Thinking
from provider_svc.dialects.said import Said
from provider_svc.dialects.steps import Close, Count, End, Grow, OpenCall, Start, Step, Stop
from runestone.common.v1.usage_pb2 import Usage

WITH_USAGE = {"stream_options": {"include_usage": True}}


def ask(members: dict[str, object]) -> Asked:
    return Asked(msgspec.json.decode(msgspec.json.encode(members), type=dict[str, msgspec.Raw]), 1_700_000_001)


def write(steps: list[Step], members: dict[str, object] | None = None) -> list[bytes]:
    writer = DIALECT.open_writer(ask(members or {}))
    return [event for step in steps for event in writer.write(step)]


def datas_of(events: list[bytes]) -> list[bytes]:
    return [read_event(event).data for event in events]


def fold(steps: list[Step]) -> Said:
    said = Said()
    for step in steps:
        said.add(step)
    return said


def document_of(steps: list[Step], members: dict[str, object] | None = None) -> dict:
    return msgspec.json.decode(DIALECT.write_document(fold(steps), ask(members or {})))


def told(said: Said) -> tuple[object, ...]:
    """What chunks tell: neighbours of one kind are one, sources stand behind all text, and an item's id is its seal's."""
    parts: list[tuple[object, ...]] = []
    for part in said.parts:
        one = (part.kind, part.name, part.text, part.seal, part.sealed_by)
        if part.kind in {"text", "refusal"} and parts and parts[-1][0] == part.kind:
            one = (part.kind, "", parts.pop()[2] + part.text, "", None)
        if part.text or part.seal or part.name:
            parts.append(one)
    sources = Counter((cite.url, cite.title) for part in said.parts for cite in part.sources)
    return said.id, said.model, said.created, parts, sources, said.reason, said.usage


@pytest.mark.parametrize("name", golden.names("answers", ".steps.json"))
def test_an_answer_is_written_as_its_golden_files_say(name):
    case = golden.read("answers", f"{name}.steps.json")
    steps = golden.from_json(case["steps"])
    assert golden.read_text("answers", f"{name}.sse") == b"".join(write(steps, case["asked"]))
    assert golden.read("answers", f"{name}.document.json") == document_of(steps, case["asked"])


@unhurried
@given(answers(custom=False))
def test_chunks_and_documents_are_those_of_openais_sdk(steps):
    """Its types know no chunks of custom tools; its own streams have them."""
    for data in datas_of(write(steps, WITH_USAGE))[:-1]:
        ChatCompletionChunk.model_validate_json(data, strict=True)
    ChatCompletion.model_validate(document_of(steps), strict=True)


@unhurried
@given(answers())
def test_documents_have_custom_calls_as_openais_sdk(steps):
    ChatCompletion.model_validate(document_of(steps), strict=True)


@unhurried
@given(answers(custom=False, reasons=("end",)))
def test_what_openais_sdk_makes_of_the_chunks_is_the_document(steps):
    """A stream and its fold are one answer, thinking and its seals included. (The SDK raises for answers that were cut short.)"""
    state = ChatCompletionStreamState()
    for data in datas_of(write(steps, WITH_USAGE))[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate_json(data))
    streamed = state.get_final_completion().model_dump(exclude_none=True)
    whole = ChatCompletion.model_validate(document_of(steps)).model_dump(exclude_none=True)
    assert clean(streamed) == clean(whole)


def clean(completion: dict) -> dict:
    """Less of what only streams have."""
    message = completion["choices"][0]["message"]
    for numbered in (*message.get("tool_calls", ()), *message.get("thinking_blocks", ())):
        numbered.pop("index", None)
        numbered.get("function", {}).pop("parsed_arguments", None)
    return completion | {"choices": [completion["choices"][0] | {"message": {k: v for k, v in message.items() if v}}]}


@unhurried
@given(answers(reasons=("end", "length", "filter")))
def test_an_answer_that_was_written_reads_as_what_it_was(steps):
    thoughts = [part.seal != "" for part in fold(steps).parts if part.kind == "thinking"]
    assume(False not in thoughts[:-1])  # one without a seal runs on into the next
    reader = DIALECT.open_reader()
    again = [step for data in datas_of(write(steps, WITH_USAGE)) for step in reader.read(data)]
    assert told(fold(again)) == told(fold(steps))
    assert again[-1] == End()


@unhurried
@given(answers())
def test_a_message_that_is_sent_back_has_what_was_thought(steps):
    """Anthropic refuses a tool loop whose thinking does not come back as it was."""
    said = fold(steps)
    document = document_of(steps)
    body = {"messages": [document["choices"][0]["message"], {"role": "user", "content": "Go on."}]}
    members = msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])
    turn = DIALECT.read_prompt(members, Losses(is_strict=True)).turns[0]
    sealed = [
        Thinking(text=p.text, seal=p.seal, sealed_by=p.sealed_by, is_redacted=p.kind == "redacted", id=p.id)
        for p in said.parts
        if p.seal
    ]
    assert [part for part in turn.parts if isinstance(part, Thinking) and part.seal] == sealed


@unhurried
@given(answers(reasons=("end",)))
def test_usage_is_null_until_it_is_told_and_absent_where_it_was_not_asked_for(steps):
    asked = [msgspec.json.decode(data) for data in datas_of(write(steps, WITH_USAGE))[:-1]]
    assert [chunk["usage"] for chunk in asked[:-1]] == [None] * (len(asked) - 1)
    assert asked[-1]["choices"] == [] and asked[-1]["usage"]["total_tokens"] >= 0
    assert all("usage" not in msgspec.json.decode(data) for data in datas_of(write(steps))[:-1])


@pytest.mark.parametrize(
    ("usage", "details"),
    [
        (Usage(input_tokens=3, output_tokens=1), {}),
        (Usage(input_tokens=3, output_tokens=1, cache_read_input_tokens=0), {"cached_tokens": 0}),
        (Usage(input_tokens=3, output_tokens=1, cache_write_input_tokens=2), {"cache_write_tokens": 2}),
    ],
)
def test_what_the_provider_did_not_count_is_left_out(usage, details):
    written = document_of([Start("a", "m"), Count(usage), Stop("end"), End()])["usage"]
    assert written.pop("prompt_tokens_details", {}) == details
    assert written == {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


def test_every_answer_ends_as_openais_do():
    assert write([Start("a", "m"), Stop("end"), End()])[-1] == b"data: [DONE]\n\n"


@pytest.mark.parametrize("options", [None, {}, {"include_usage": None}, {"include_usage": False}])
def test_who_does_not_ask_for_usage_gets_none(options):
    events = write([Start("a", "m"), Stop("end"), End()], {"stream_options": options})
    assert b"usage" not in b"".join(events)


def test_malformed_stream_options_are_refused():
    with pytest.raises(RunestoneError) as caught:
        DIALECT.open_writer(ask({"stream_options": 7}))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "stream_options")


@pytest.mark.parametrize("functions", [None, [], [{"name": "f"}]])
@pytest.mark.parametrize("tools", [None, [{"type": "function", "function": {"name": "f"}}]])
def test_only_who_speaks_of_functions_alone_reads_a_function_call(functions, tools):
    steps: list[Step] = [Start("a", "m"), OpenCall("call_1", "f"), Grow("{}"), Close(), Stop("tools"), End()]
    document = document_of(steps, {"functions": functions, "tools": tools})
    is_legacy = bool(functions) and not tools
    assert ("function_call" in document["choices"][0]["message"]) == is_legacy
    assert (document["choices"][0]["finish_reason"] == "function_call") == is_legacy
