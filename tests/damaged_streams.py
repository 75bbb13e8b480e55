"""Real streams of every dialect, from the fake provider, and what can become of them on their way: strategies for hypothesis."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fake_provider.exchange import Exchange
from fake_provider.faults import spoil_events
from fake_provider.routes import find_dialect
from fake_provider.wishes import read_wishes
from hypothesis import strategies as st

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TURNS = [{"role": "user", "content": "hi"}]
CHAT: dict[str, Any] = {
    "messages": TURNS,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
}
RESPONSES: dict[str, Any] = {
    "input": "hi",
    "include": ["reasoning.encrypted_content"],
    "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA}, {"type": "custom", "name": "patch"}],
}
MESSAGES: dict[str, Any] = {
    "messages": TURNS,
    "max_tokens": 4_096,
    "tools": [{"name": "weather", "input_schema": SCHEMA}],
}
WISHES = (
    "words=6",
    "calls=2,preamble,think=3",
    "refuse",
    "cite,words=2",
    "finish=length",
    "crlf,words=3",
    "comments,words=3",
)
# By language: path, question, and what the fake is to do beside the wishes above.
QUESTIONS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "chat": ("/chat/completions", CHAT, (*WISHES, "calls=2,mixed", "think=3,reasoning_field=reasoning_content")),
    "responses": ("/responses", RESPONSES, (*WISHES, "think=3,reasoning_text", "call=patch")),
    "messages": ("/messages", MESSAGES, (*WISHES, "think=3,redacted,calls=1")),
    "completions": ("/completions", {"prompt": "hi", "stream_options": {"include_usage": True}}, ("words=4",)),
    "images": ("/images/generations", {"prompt": "hi", "partial_images": 2}, ("",)),
    "speech": ("/audio/speech", {"input": "hey", "voice": "alloy", "stream_format": "sse"}, ("",)),
}
EVENT = re.compile(rb".*?(?:\r?\n\r?\n|\Z)", re.DOTALL)
# What parsers stumble over.
NASTY = (
    *(b"data: [DONE]\n\n", b"data: null\n\n", b"data: []\n\n", b"data: 1e999\n\n", b"data: {}\n\n", b'data: "x"\n\n'),
    *(b"\n\n", b"\r\r", b":\n\n", b"data\n\n", b"event: error\n\n", b"\xef\xbb\xbf", b"\x00", b"\xff\xfe", b"\xed\xa0\x80"),
    *(b"data: " + b"[" * 3_000 + b"\n\n", b'data: {"type":' + b'{"a":' * 2_000 + b"\n\n", b'data: {"error": {}}\n\n'),
    *(b'"\\ud800"', b'{"choices":[{"delta":7}]}', b'{"choices":null}', b'"index":-1', b'"index":1e9', b'"usage":[]'),
    *(b'data: {"type":"error"}\n\n', b'data: {"type":"response.failed","response":{}}\n\n', b'data: {"type":[]}\n\n'),
    *(b'data: {"error":{"message":"x"},"y":"\xff"}\n\n', b'data: {"type":"error","error":{"message":"x"},"y":"\xff"}\n\n'),
    *(b'data: {"error":{"message":"x\xff"}}\n\n', b'data: {"error":"x","y":' + b"[" * 3_000 + b"\n\n"),
    *(b'data: {"type":"response.failed","response":{"error":{"message":"x"},"y":"\xff"},"z":"\xff"}\n\n',),
    *(b'data: {"type":"message_stop"}\n\n', b'data: {"type":"response.completed"}\n\n', b'"content":null', b'"delta":null'),
)  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """A whole one."""

    language: str
    body: bytes

    @property
    def events(self) -> list[bytes]:
        return [event for event in EVENT.findall(self.body) if event]

    def __repr__(self) -> str:
        return f"{self.language}, {len(self.body)} bytes"


def record(language: str, wish: str) -> Stream:
    """What the fake provider streams, without a network."""
    path, question, _ = QUESTIONS[language]
    document = {**question, "model": "m", "stream": True}
    dialect, _ = find_dialect("POST", path, {})
    exchange = Exchange(path, {"anthropic-version": "x"}, b"", document, read_wishes(wish))
    dialect.check(exchange)
    assert dialect.events is not None
    pieces = spoil_events(dialect.events(exchange), exchange, dialect)
    return Stream(language, b"".join(piece for piece in pieces if piece is not None))


STREAMS = [record(language, wish) for language, (_, _, wishes) in QUESTIONS.items() for wish in wishes]


def streams(language: str) -> st.SearchStrategy[Stream]:
    """Those of a language."""
    return st.sampled_from([stream for stream in STREAMS if stream.language == language])


@st.composite
def damaged(draw: st.DrawFn, stream: Stream) -> bytes:
    """The stream after a few accidents: events lost, doubled, swapped, cut, and strangers' among them; bytes flipped."""
    events = list(stream.events)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(events) - 1)))
        draw(st.sampled_from(ACCIDENTS))(draw, events, at)
    body = bytearray(b"".join(events))
    for _ in range(draw(st.integers(0, 3))):
        if body:
            body[draw(st.integers(0, len(body) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(body)


def _lose(_draw: st.DrawFn, events: list[bytes], at: int) -> None:
    del events[at : at + 1]


def _double(_draw: st.DrawFn, events: list[bytes], at: int) -> None:
    events[at:at] = events[at : at + 1]


def _swap(draw: st.DrawFn, events: list[bytes], at: int) -> None:
    if events:
        other = draw(st.integers(0, len(events) - 1))
        events[at], events[other] = events[other], events[at]


def _cut(draw: st.DrawFn, events: list[bytes], at: int) -> None:
    if events and events[at]:
        events[at] = events[at][: draw(st.integers(0, len(events[at]) - 1))]


def _insert(draw: st.DrawFn, events: list[bytes], at: int) -> None:
    event = events[at] if events else b""
    place = draw(st.integers(0, len(event)))
    events[at : at + 1] = [event[:place] + draw(st.sampled_from(NASTY)) + event[place:]]


def _splice(draw: st.DrawFn, events: list[bytes], at: int) -> None:
    """A part of another stream, of any language."""
    others = draw(st.sampled_from(STREAMS)).events
    start = draw(st.integers(0, len(others) - 1))
    events[at:at] = others[start : start + draw(st.integers(1, 5))]


ACCIDENTS = (_lose, _double, _swap, _cut, _insert, _splice)


@st.composite
def blocks_of(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """The bytes as a network may bring them."""
    places = sorted(draw(st.lists(st.integers(0, len(body)), max_size=5)))
    edges = [0, *places, len(body)]
    return [body[start:end] for start, end in pairwise(edges)]
