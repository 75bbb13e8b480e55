"""Steps become the events and the documents that Anthropic's SDK reads."""

import re
from pathlib import Path

import httpx2
import msgspec
import pytest
from anthropic import Anthropic
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from provider_svc.dialects.anthropic_messages import DIALECT
from provider_svc.dialects.dialect import Asked
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
from runestone.common.v1.usage_pb2 import Usage

GOLDEN = Path(__file__).parent / "golden" / "answers"
ASKED = Asked({}, 1_800_000_000)
SDK_EVENT = TypeAdapter(RawMessageStreamEvent)

START = Start("chatcmpl-01", "gpt-x")
USED = Count(
    Usage(
        input_tokens=142,
        output_tokens=9,
        cache_read_input_tokens=100,
        cache_write_input_tokens=30,
        reasoning_output_tokens=4,
    )
)
HELLO = [OpenText(), Grow("Hello"), Grow(", 世界\u2028 👋"), Close()]

ANSWERS: dict[str, list[Step]] = {
    "text": [START, *HELLO, Stop("end"), USED, End()],
    "nothing": [Start("msg_01", "claude-x"), OpenText(), Close(), Stop("end"), End()],
    "nobodys_id": [Start("", "local"), *HELLO, Stop("length"), Count(Usage(input_tokens=3, output_tokens=2)), End()],
    "sealed_by_openai": [
        START,
        OpenThinking(id="rs_1"),
        Grow("17 is prime."),
        Close("gAAA", "openai"),
        OpenThinking(id="rs_2"),
        Close("gAAB", "openai"),
        OpenThinking(is_redacted=True),
        Close("gAAC", "openai"),
        OpenThinking(),
        Grow("Unsealed."),
        Close(),
        OpenThinking(),
        Close(),
        OpenThinking(is_redacted=True),
        Close(),
        *HELLO,
        Stop("sequence", "END"),
        USED,
        End(),
    ],
    "sealed_by_anthropic": [
        START,
        OpenThinking(),
        Grow("Hm."),
        Close("EqQB", "anthropic"),
        OpenThinking(is_redacted=True),
        Close("Ev8=", "anthropic"),
        Stop("pause"),
        End(),
    ],
    "calls": [
        START,
        *HELLO,
        OpenCall("call_1", "weather"),
        Grow('{"city"'),
        Grow(': "Paris", "n": 12345678901234567890}'),
        Close(),
        OpenCall("call_2", "now"),
        Close(),
        Stop("tools"),
        USED,
        End(),
    ],
    "called_as_told": [START, OpenCall("call_1", "now"), Grow("{}"), Close(), Stop("end"), End()],
    "refusal": [START, OpenText(is_refusal=True), Grow("I cannot."), Close(), Stop("end"), USED, End()],
    "filtered": [START, Stop("filter", words="This may cause harm."), USED, End()],
    "sources": [
        START,
        OpenText(),
        Grow("It rains."),
        Cite("https://example.com/news", "News"),
        Cite("https://example.com/more"),
        Close(),
        Stop("end"),
        End(),
    ],
}


def write(steps: list[Step]) -> list[bytes]:
    writer = DIALECT.open_writer(ASKED)
    return [event for step in steps for event in writer.write(step)]


def fold(steps: list[Step]) -> bytes:
    said = Said()
    for step in steps:
        said.add(step)
    return DIALECT.write_document(said, ASKED)


def accumulated(events: list[bytes]) -> dict[str, object]:
    """The message that the SDK makes of events; raises for what is none of its own."""
    snapshot, buffers = None, {}
    for event in events:
        typed = SDK_EVENT.validate_json(read_event(event).data)
        snapshot = accumulate_event(event=typed, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return snapshot.to_dict()


def said_in(message: dict[str, object]) -> dict[str, object]:
    """A message without what is null, which an SDK may or may not have."""
    if isinstance(message, dict):
        return {name: said_in(value) for name, value in message.items() if value is not None}
    return [said_in(item) for item in message] if isinstance(message, list) else message


@pytest.mark.parametrize("name", ANSWERS)
def test_stream_is_written_as_its_golden_file_says(name):
    assert b"".join(write(ANSWERS[name])) == (GOLDEN / f"{name}.sse").read_bytes()


@pytest.mark.parametrize("name", ANSWERS)
def test_document_is_written_as_its_golden_file_says(name):
    assert msgspec.json.decode(fold(ANSWERS[name])) == msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())


def test_every_golden_file_belongs_to_an_answer():
    assert {path.stem for path in GOLDEN.iterdir()} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_document_is_a_message_of_the_sdk(name):
    Message.model_validate_json(fold(ANSWERS[name]), strict=True)


@pytest.mark.parametrize("name", ANSWERS)
def test_each_event_is_whole_and_bears_the_name_of_its_data(name):
    for event in write(ANSWERS[name]):
        assert event.endswith(b"\n\n")
        chunk = Splitter().feed(event)
        assert chunk is not None
        assert chunk.ends == (len(event),)
        read = read_event(event)
        assert read.name.decode() == msgspec.json.decode(read.data)["type"]
        SDK_EVENT.validate_json(read.data, strict=True)


@pytest.mark.parametrize("name", ANSWERS)
def test_sdk_gathers_the_document_from_the_stream(name):
    """The two forms of an answer say the same."""
    assert said_in(accumulated(write(ANSWERS[name]))) == said_in(msgspec.json.decode(fold(ANSWERS[name])))


@pytest.mark.parametrize("name", ANSWERS)
def test_anthropics_client_reads_the_stream(name):
    """The whole way of the official client, over a transport that has the answer at hand."""
    body = b"".join(write(ANSWERS[name]))
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    )
    with (
        httpx2.Client(transport=transport) as http,
        Anthropic(api_key="k", http_client=http).messages.stream(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi."}]
        ) as stream,
    ):
        message = stream.get_final_message()
    assert said_in(message.to_dict()) == said_in(msgspec.json.decode(fold(ANSWERS[name])))


@pytest.mark.parametrize("name", ANSWERS)
def test_indices_count_the_blocks_that_are_there(name):
    text = b"".join(write(ANSWERS[name])).decode()
    begun = [int(index) for index in re.findall(r'"content_block_start","index":(\d+)', text)]
    ended = [int(index) for index in re.findall(r'"content_block_stop","index":(\d+)', text)]
    assert begun == ended == list(range(len(begun)))


def test_piece_is_written_at_once():
    """Nobody waits for a token that has come."""
    writer = DIALECT.open_writer(ASKED)
    counts = [len(list(writer.write(step))) for step in (START, OpenText(), Grow("a"), Grow("b"), Close())]
    assert counts == [1, 0, 2, 1, 1]


def test_input_tokens_leave_out_what_the_prompt_cache_read_and_wrote():
    usage = msgspec.json.decode(fold(ANSWERS["text"]))["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (
        12,
        100,
        30,
    )


def test_usage_that_counts_more_cached_than_read_does_not_fall_below_zero():
    steps = [START, Stop("end"), Count(Usage(input_tokens=3, cache_read_input_tokens=7)), End()]
    assert msgspec.json.decode(fold(steps))["usage"]["input_tokens"] == 0


def called(arguments: str, reason: str) -> list[Step]:
    return [START, *HELLO, OpenCall("c", "f"), Grow(arguments), Close(), Stop(reason), End()]


@pytest.mark.parametrize("arguments", ['{"city": "Par', "[1]", "no json"])
def test_call_that_the_bound_cut_off_is_left_out_of_the_document(arguments):
    """stop_reason says that the message was cut; an input that the model did not write would be a lie."""
    message = msgspec.json.decode(fold(called(arguments, "length")))
    assert [block["type"] for block in message["content"]] == ["text"]
    assert message["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("arguments", ['{"city": "Par', "[1]", "no json", '{"a":' * 100_000])
def test_call_whose_arguments_are_no_object_is_an_invalid_answer(arguments):
    with pytest.raises(RunestoneError) as caught:
        fold(called(arguments, "tools"))
    assert caught.value.reason is Reason.PROVIDER_INVALID_ANSWER


def test_deep_arguments_are_either_written_or_an_invalid_answer():
    outcomes = {outcome_at(depth) for depth in range(50, 2_000, 3)}
    assert outcomes == {"written", Reason.PROVIDER_INVALID_ANSWER}


def outcome_at(depth: int) -> str:
    arguments = '{"a":' * depth + "1" + "}" * depth
    try:
        return "written" if arguments.encode() in fold(called(arguments, "tools")) else "changed"
    except RunestoneError as error:
        return error.reason


STREAMS = Path(__file__).parent / "golden" / "streams"


@pytest.mark.parametrize("name", ["cached", "max_tokens", "refusal", "text", "thinking", "tools"])
def test_anthropics_own_stream_says_the_same_when_it_is_read_and_written(name):
    """To the SDK, that is: pieces may be cut otherwise."""
    chunk = Splitter().feed((STREAMS / f"{name}.sse").read_bytes())
    assert chunk is not None
    reader, writer = DIALECT.open_reader(), DIALECT.open_writer(ASKED)
    steps = [step for frame in chunk.split() for step in reader.read(read_event(frame).data)]
    written = said_in(accumulated([event for step in steps for event in writer.write(step)]))
    original = said_in(accumulated(chunk.split()))
    original.get("stop_details", {}).pop("category", None)
    assert written == original


SEALS = st.one_of(st.just(Close()), st.builds(Close, st.text(min_size=1), st.sampled_from(["openai", "anthropic"])))
WORDS = st.lists(st.text(min_size=1).map(Grow), max_size=3)
PARTS = st.one_of(
    st.tuples(st.builds(OpenText, st.booleans()), WORDS, st.just(Close())),
    st.tuples(st.just(OpenThinking()), WORDS, SEALS),
    st.tuples(st.just(OpenThinking(is_redacted=True)), st.just([]), SEALS),
    st.tuples(
        st.builds(OpenCall, st.text(), st.text()),
        st.dictionaries(st.text(), st.integers()).map(lambda given: [Grow(msgspec.json.encode(given).decode())]),
        st.just(Close()),
    ),
)
ENDINGS = st.builds(
    Stop, st.sampled_from(["end", "sequence", "length", "tools", "filter", "pause"]), st.none() | st.text()
)


@st.composite
def answers(draw: st.DrawFn) -> list[Step]:
    """Any answer in its order."""
    steps: list[Step] = [Start(draw(st.text()), draw(st.text()))]
    for begin, pieces, close in draw(st.lists(PARTS, max_size=5)):
        steps += [begin, *pieces, close]
    tokens = draw(st.integers(0, 1 << 40))
    return [*steps, draw(ENDINGS), Count(Usage(input_tokens=tokens, output_tokens=tokens)), End()]


@given(answers())
def test_both_forms_of_any_answer_are_the_sdks_and_say_the_same(steps):
    document = fold(steps)
    Message.model_validate_json(document, strict=True)
    assert said_in(accumulated(write(steps))) == said_in(msgspec.json.decode(document))


@given(answers())
def test_what_is_written_is_read_again(steps):
    """Seals of both makers, texts and calls come back; what was empty is gone."""
    reader, before, after = DIALECT.open_reader(), Said(), Said()
    for step in steps:
        before.add(step)
    for event in write(steps):
        for step in reader.read(read_event(event).data):
            after.add(step)
    assert after.is_whole
    assert [signs(part) for part in after.parts] == [signs(part) for part in before.parts if any(signs(part)[1:])]
    assert after.usage == before.usage


def signs(part: object) -> tuple[object, ...]:
    kind = "text" if part.kind == "refusal" else part.kind
    return (kind, part.text, part.seal, part.sealed_by if part.seal else None)
