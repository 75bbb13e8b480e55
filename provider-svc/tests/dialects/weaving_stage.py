"""Streams that break off and go on: what a provider of any dialect streams, a provider that plays it up to a byte, and the woven stream
as the official SDKs read it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2
import msgspec
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter

from chassis.errors import Reason, RunestoneError
from chassis.sse import find_ends, read_event
from chassis.testing import FakeClock
from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.steps import (
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
from provider_svc.dialects.table import DIALECTS
from provider_svc.dialects.weaving import Weaving
from provider_svc.provider import Begun, Chunk, Gathered, Meter, Sink, UpstreamCall
from provider_svc.sse import Splitter
from provider_svc.translating import Translating
from runestone.common.v1.dialect_pb2 import (
    DIALECT_ANTHROPIC_MESSAGES,
    DIALECT_OPENAI_CHAT,
    DIALECT_OPENAI_RESPONSES,
    Dialect,
)
from runestone.common.v1.usage_pb2 import Usage

CHAT, RESPONSES, MESSAGES = DIALECT_OPENAI_CHAT, DIALECT_OPENAI_RESPONSES, DIALECT_ANTHROPIC_MESSAGES
NAMES = {CHAT: "chat", RESPONSES: "responses", MESSAGES: "messages"}
CREATED = 1_800_000_000
QUESTIONS: dict[Dialect.ValueType, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hi"}], "stream_options": {"include_usage": True}},
    RESPONSES: {"input": "Hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 500},
}
ENDS = {CHAT: b"data: [DONE]", RESPONSES: b'"type":"response.completed"', MESSAGES: b'"type":"message_stop"'}
BEGINS = {
    CHAT: b'"role":"assistant","content":""',
    RESPONSES: b'"type":"response.created"',
    MESSAGES: b'"type":"message_start"',
}


def members_of(dialect: Dialect.ValueType, **more: Any) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(msgspec.json.encode(QUESTIONS[dialect] | more), type=dict[str, msgspec.Raw])


def answer(
    *pieces: str, thought: str = "", call: str = "", usage: Usage | None = None, name: str = "one"
) -> list[Step]:
    """A whole answer's steps: thinking, a text in pieces, a call."""
    steps: list[Step] = [Start(f"id_{name}", f"model_{name}", CREATED)]
    if thought:
        steps += [OpenThinking(), Grow(thought), Close()]
    if pieces:
        steps += [OpenText(), *map(Grow, pieces), Close()]
    if call:
        steps += [OpenCall(call, "weather"), Grow('{"city":'), Grow('"Oslo"}'), Close()]
    if usage is not None:
        steps.append(Count(usage))
    return [*steps, Stop("tools" if call else "end"), End()]


def stream_of(dialect: Dialect.ValueType, steps: Iterable[Step]) -> bytes:
    """What a provider of `dialect` streams."""
    writer = DIALECTS[dialect].open_writer(Asked(members_of(dialect), CREATED))
    return b"".join(event for step in steps for event in writer.write(step))


class Scripted:
    """A provider of one dialect that streams bytes up to the `cut`-th, in blocks, and breaks off there; whole without a cut."""

    def __init__(self, dialect: Dialect.ValueType, stream: bytes, cut: int | None = None, block: int = 1 << 20) -> None:
        self.dialects = frozenset({dialect})
        self.calls: list[UpstreamCall] = []
        self._stream, self._cut, self._block = stream, cut, block

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        self.calls.append(call)
        sink.accept(Begun(200))
        splitter, passing = Splitter(), self._stream[: self._cut]
        for start in range(0, len(passing), self._block):
            if (chunk := splitter.feed(passing[start : start + self._block])) is not None:
                sink.add(chunk)
        if self._cut is not None:
            raise RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut", upstream_status=200)

    async def close(self) -> None:
        pass


@dataclass
class Flown:
    """What came of a woven call: the client's events, each attempt's failure (None: whole), and the weaving."""

    events: list[bytes]
    failures: list[Reason | None]
    weaving: Weaving
    asked: list[dict[str, Any]]

    @property
    def body(self) -> bytes:
        return b"".join(self.events)


def fly(
    dialect: Dialect.ValueType,
    *providers: Scripted,
    usages: Sequence[Usage | None] = (),
    members: dict[str, msgspec.Raw] | None = None,
) -> Flown:
    """One client's call, which goes on with the next provider wherever one breaks off and it may."""
    members = members_of(dialect) if members is None else members
    weaving, sink = Weaving(dialect, members, CREATED), Gathered()
    failures: list[Reason | None] = []
    for number, provider in enumerate(providers):
        meter = Meter()
        weaving.mark(f"continued by p{number}/m")
        call = UpstreamCall(
            call_id="c", model="m", stream=True, members=members, dialect=dialect, weaving=weaving, meter=meter
        )
        try:
            asyncio.run(Translating(provider, FakeClock()).call(call, sink))
            failures.append(None)
            break
        except RunestoneError as failure:
            failures.append(failure.reason)
            weaving.break_off(usages[number] if number < len(usages) else None)
            if weaving.parts and not weaving.can_continue:
                break
    events = [event for chunk in sink.steps if isinstance(chunk, Chunk) for event in chunk.split()]
    asked = [msgspec.json.decode(msgspec.json.encode(call.members)) for p in providers for call in p.calls]
    return Flown(events, failures, weaving, asked)


@dataclass
class Read:
    """An answer as an official SDK reads it."""

    id: str
    text: str
    stop: str
    usage: tuple[int, int] | None
    thinking: str = ""
    calls: tuple[tuple[str, str], ...] = ()


def read_stream(dialect: Dialect.ValueType, body: bytes) -> Read:
    """Fails for what is not one well-formed answer."""
    assert body.count(BEGINS[dialect]) == 1
    assert body.count(ENDS[dialect]) == 1
    assert find_ends(body)[-1] == len(body)
    return {CHAT: read_chat, RESPONSES: read_response, MESSAGES: read_message}[dialect](body)


def datas_of(body: bytes) -> list[bytes]:
    ends = find_ends(body)
    return [data for a, b in zip([0, *ends], ends, strict=False) if (data := read_event(body[a:b]).data)]


def read_chat(body: bytes) -> Read:
    state = ChatCompletionStreamState()
    chunks = [ChatCompletionChunk.model_validate_json(data, strict=True) for data in datas_of(body)[:-1]]
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1
    for chunk in chunks:
        state.handle_chunk(chunk)
    completion = state.get_final_completion()
    (choice,) = completion.choices
    usage = completion.usage
    return Read(
        completion.id,
        choice.message.content or "",
        choice.finish_reason,
        None if usage is None else (usage.prompt_tokens, usage.completion_tokens),
        getattr(choice.message, "reasoning_content", None) or "",
        tuple((call.id, call.function.arguments) for call in choice.message.tool_calls or ()),
    )


served: list[bytes] = []  # what the SDK is answered next


@cache
def open_sdk() -> OpenAI:
    """To open one for each of a property's examples takes longer than all the rest."""

    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=served.pop())

    transport = httpx2.Client(transport=httpx2.MockTransport(respond))
    return OpenAI(base_url="http://gateway.test/v1", api_key="sk-test", http_client=transport)


def read_response(body: bytes) -> Read:
    events = [msgspec.json.decode(data) for data in datas_of(body)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))

    served.append(body)
    with open_sdk().responses.stream(model="m", input="Hi") as stream:
        final = stream.get_final_response()
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert deltas == final.output_text
    assert [item["id"] for item in events[-1]["response"]["output"]] == [item.id for item in final.output]
    calls = tuple((item.call_id, item.arguments) for item in final.output if item.type == "function_call")
    thoughts = (part.text for item in final.output if item.type == "reasoning" for part in item.summary)
    usage = None if final.usage is None else (final.usage.input_tokens, final.usage.output_tokens)
    return Read(final.id, final.output_text, "tool_calls" if calls else "stop", usage, "".join(thoughts), calls)


SDK_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
STOPS = {"end_turn": "stop", "tool_use": "tool_calls"}


def read_message(body: bytes) -> Read:
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    open_index, blocks = None, 0
    for data in datas_of(body):
        event = SDK_EVENT.validate_json(data)
        if event.type == "content_block_start":
            assert (open_index, event.index) == (None, blocks)
            open_index, blocks = event.index, blocks + 1
        elif event.type == "content_block_delta":
            assert event.index == open_index
        elif event.type == "content_block_stop":
            assert event.index == open_index
            open_index = None
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    assert open_index is None
    content = snapshot.content
    return Read(
        snapshot.id,
        "".join(block.text for block in content if block.type == "text"),
        STOPS[snapshot.stop_reason],
        (snapshot.usage.input_tokens, snapshot.usage.output_tokens),
        "".join(block.thinking for block in content if block.type == "thinking"),
        tuple((block.id, msgspec.json.encode(block.input).decode()) for block in content if block.type == "tool_use"),
    )
