"""Every parser of streams, fed with damaged ones: the providers' relays, each translation, and what the edge does with events.

Longer by hand: `FUZZ_EXAMPLES=100000 .venv/bin/pytest tests/fuzz --timeout 0`.
"""

import json
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import orjson
import pytest
from damaged_streams import CHAT, MESSAGES, NASTY, RESPONSES, Stream, blocks_of, damaged, streams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.billing.estimate import Passed
from chassis.config.shapes import convert
from chassis.config.transform import TransformOptions
from chassis.errors import Reason, RunestoneError
from chassis.sse import read_event
from chassis.testing import FakeClock
from gateway_edge.caching.forms_chat_fold import fold
from gateway_edge.caching.forms_chat_usage import fit_usage
from gateway_edge.caching.forms_events import UNREADABLE, Recording, find_ends
from gateway_edge.endpoints.voices import RESPONSES as RESPONSES_VOICE
from gateway_edge.transform.answers import AnswerPlan, StreamChange
from gateway_edge.transform.facts import Facts
from provider_svc.anthropic.endpoints import ENDPOINTS as ANTHROPICS
from provider_svc.dialects.table import DIALECTS
from provider_svc.openai.endpoints import ENDPOINTS as OPENAIS
from provider_svc.provider import Begun, Chunk, Gathered, Sink, UpstreamCall
from provider_svc.relay import Relay
from provider_svc.translating import Translating
from runestone.common.v1 import dialect_pb2 as dialects
from runestone.common.v1.usage_pb2 import Usage

LONG = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NAMES = {
    "chat": dialects.DIALECT_OPENAI_CHAT,
    "responses": dialects.DIALECT_OPENAI_RESPONSES,
    "messages": dialects.DIALECT_ANTHROPIC_MESSAGES,
    "completions": dialects.DIALECT_OPENAI_COMPLETIONS,
    "images": dialects.DIALECT_OPENAI_IMAGES,
    "speech": dialects.DIALECT_OPENAI_SPEECH,
}
CONVERSATIONS = ("chat", "responses", "messages")
QUESTIONS = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}
# By what a client knows the end: the data of an event begins with it, or has it as its type.
DONE = {"chat", "completions"}
LAST = {
    "responses": {"response.completed", "response.incomplete"},
    "messages": {"message_stop"},
    "speech": {"speech.audio.done"},
}
RULES = [{"redact": {"pattern": "[a-z]{3}", "with": "***"}}]
PLAN = AnswerPlan(convert({"response": RULES}, TransformOptions))
FACTS = Facts(tenant="acme", key="ci", request_id="r", metadata={}, headers={}, document={})
PAIRS = [(spoken, asked) for spoken in CONVERSATIONS for asked in CONVERSATIONS if spoken != asked]


class Broken:
    """A provider whose answers are these blocks, relayed as every provider's are."""

    def __init__(self, language: str, blocks: list[bytes]) -> None:
        self.dialects = frozenset({NAMES[language]})
        self._blocks = blocks

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        sink.accept(Begun(200))
        relay_blocks(call, self._blocks, sink.add)

    async def close(self) -> None:
        """Nothing is open."""


def relay_blocks(call: UpstreamCall, blocks: list[bytes], add: Callable[[Chunk], None]) -> None:
    watch = {**OPENAIS, **ANTHROPICS}[call.dialect].watch
    assert watch is not None
    relay = Relay(watch(call), add)
    for block in blocks:
        relay.feed(block)
    relay.end()


def ask(language: str, *, stream: bool = True) -> UpstreamCall:
    body = QUESTIONS.get(language, {}) | ({"stream": True} if stream else {})
    members = {name: msgspec.Raw(orjson.dumps(value)) for name, value in body.items()}
    return UpstreamCall(
        call_id="c", model="m", stream=stream, members=members, dialect=NAMES[language], is_strict=False
    )


def run(work: Coroutine[Any, Any, None]) -> RunestoneError | None:
    """What the call came to: nobody in it waits for anything, so that no loop is needed."""
    try:
        work.send(None)
    except StopIteration:
        return None
    except RunestoneError as failure:
        return failure
    raise AssertionError("it waits")


def translate(spoken: str, asked: str, blocks: list[bytes], *, stream: bool) -> tuple[bytes, RunestoneError | None]:
    sink = Gathered()
    failure = run(Translating(Broken(spoken, blocks), FakeClock()).call(ask(asked, stream=stream), sink))
    return join(sink), failure


def relay(language: str, blocks: list[bytes]) -> tuple[bytes, RunestoneError | None]:
    sink = Gathered()
    failure = run(Broken(language, blocks).call(ask(language), sink))
    return join(sink), failure


def join(sink: Gathered) -> bytes:
    return b"".join(step.body for step in sink.steps if isinstance(step, Chunk))


def looks_whole(language: str, out: bytes) -> bool:
    """Whether a client would take it for whole."""
    return any(is_end(language, read_event(frame).data) for frame in split(out))


def split(out: bytes) -> Iterator[bytes]:
    ends = find_ends(out)
    return (out[start:end] for start, end in zip([0, *ends], ends, strict=False))


def is_end(language: str, data: bytes) -> bool:
    if language in DONE:
        return data.startswith(b"[DONE]")
    try:  # as SDKs read: generously
        document = json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("type") in LAST[language]


def check_told(language: str, out: bytes, failure: RunestoneError | None) -> None:
    """Whole is what did not fail, and nothing else."""
    assert looks_whole(language, out) is (failure is None), (failure, out[-300:])
    assert failure is None or failure.reason is not Reason.INTERNAL


def last_event(stream: Stream) -> int:
    """Where the stream's end begins."""
    return stream.body.rindex(stream.events[-1])


@pytest.mark.parametrize("language", ["chat", "responses", "messages", "completions", "speech"])
@LONG
@given(st.data())
def test_a_relayed_stream_looks_whole_only_where_it_is(language: str, data: st.DataObject) -> None:
    body = data.draw(damaged(data.draw(streams(language))))
    out, failure = relay(language, data.draw(blocks_of(body)))
    check_told(language, out, failure)
    assert len(out) <= len(body) + 2


@pytest.mark.parametrize(("spoken", "asked"), PAIRS)
@LONG
@given(st.data())
def test_a_translated_stream_looks_whole_only_where_it_is(spoken: str, asked: str, data: st.DataObject) -> None:
    """And is of bounded size, whatever came."""
    body = data.draw(damaged(data.draw(streams(spoken))))
    out, failure = translate(spoken, asked, data.draw(blocks_of(body)), stream=True)
    check_told(asked, out, failure)
    assert len(out) <= 30 * len(body) + 10_000


@pytest.mark.parametrize(("spoken", "asked"), PAIRS)
@LONG
@given(st.data())
def test_a_document_is_put_together_or_refused(spoken: str, asked: str, data: st.DataObject) -> None:
    body = data.draw(damaged(data.draw(streams(spoken))))
    out, failure = translate(spoken, asked, data.draw(blocks_of(body)), stream=False)
    assert bool(out) is (failure is None)
    assert failure is not None or isinstance(orjson.loads(out), dict)


@pytest.mark.parametrize("language", ["chat", "responses", "messages", "completions", "speech", "images"])
@LONG
@given(st.data())
def test_what_was_cut_before_its_end_is_never_whole(language: str, data: st.DataObject) -> None:
    """Wherever it was cut: relayed, translated, and put together."""
    stream = data.draw(streams(language))
    body = stream.body[: data.draw(st.integers(0, last_event(stream)))]
    blocks = data.draw(blocks_of(body))
    _, failure = relay(language, blocks)
    assert failure is not None
    for asked in CONVERSATIONS if language in CONVERSATIONS else ():
        if asked != language:
            out, failure = translate(language, asked, blocks, stream=True)
            assert failure is not None and not looks_whole(asked, out)
            out, failure = translate(language, asked, blocks, stream=False)
            assert failure is not None and not out


@pytest.mark.parametrize("language", CONVERSATIONS)
@LONG
@given(st.data())
def test_a_reader_by_itself_knows_no_other_exception(language: str, data: st.DataObject) -> None:
    """Whatever the data of events is: also what no watcher would have let pass."""
    body = data.draw(damaged(data.draw(streams(language))))
    pieces = [read_event(frame).data for frame in split(body + b"\n\n")]
    pieces += data.draw(st.lists(st.sampled_from(NASTY) | st.binary(max_size=60), max_size=3))
    reader = DIALECTS[NAMES[language]].open_reader()
    failure = attempt(lambda: [list(reader.read(piece)) for piece in pieces])
    assert failure is None or failure.reason.name.startswith("PROVIDER_")


def attempt(work: Callable[[], object]) -> RunestoneError | None:
    try:
        work()
    except RunestoneError as failure:
        return failure
    return None


@pytest.mark.parametrize("language", ["chat", "responses", "messages", "speech", "images"])
@LONG
@given(st.data())
def test_what_the_edge_changes_stays_what_it_was(language: str, data: st.DataObject) -> None:
    """Of what the relay lets pass: changed, it ends as it did, or the call fails as an unreadable answer does."""
    body = data.draw(damaged(data.draw(streams(language))))
    out, _ = relay(language, data.draw(blocks_of(body)))
    change, changed = StreamChange(PLAN, FACTS, has_choices=language == "chat"), bytearray()

    def send() -> None:
        for frame in split(out):
            changed.extend(b"".join(change.change(frame)))
        changed.extend(change.finish())

    failure = attempt(send)
    assert failure is None or failure.reason is Reason.PROVIDER_INVALID_ANSWER
    if failure is None and language != "images":
        assert looks_whole(language, bytes(changed)) is looks_whole(language, out)
    RESPONSES_VOICE.write_event(RunestoneError(Reason.PROVIDER_FAILED, "x"), "id", out)


@LONG
@given(st.data())
def test_a_kept_stream_is_shown_in_another_form_or_not_at_all(data: st.DataObject) -> None:
    """What is estimated of it is a number, whatever it is."""
    stream = data.draw(streams("chat"))
    body = data.draw(damaged(stream) | st.integers(0, last_event(stream)).map(lambda end: stream.body[:end]))
    body = body[: max(find_ends(body), default=0)]  # what has not ended is not kept
    events = list(split(body))
    passed = Passed()
    passed.add(body)
    assert passed.count_tokens() >= 0
    with suppress(UNREADABLE):
        document = orjson.loads(fold(events, Usage(input_tokens=1, output_tokens=1)))
        assert looks_whole("chat", body) and document["object"] == "chat.completion"
    for wants_usage in (True, False) if events else ():
        with suppress(UNREADABLE):
            fit_usage(Recording(body, find_ends(body)), Usage(input_tokens=1, output_tokens=1), wants_usage=wants_usage)
