"""A recorded stream of OpenAI's chat chunks as the document that a unary call would have been answered with."""

from collections.abc import Sequence

import msgspec
import orjson
from msgspec import Raw

from gateway_edge.caching.forms_chat_usage import CHUNK, NAMELESS, write_usage
from gateway_edge.caching.forms_events import UNREADABLE, Unshowable, read_chunks
from gateway_edge.caching.forms_pieces import (
    NULL,
    SILENT,
    Indexed,
    Loose,
    Members,
    Once,
    Pieces,
    Rows,
    Text,
    decode_entries,
    decode_members,
)
from runestone.common.v1.usage_pb2 import Usage

COMPLETION = Raw(b'"chat.completion"')

_OBJECTS = (CHUNK, NAMELESS)
_PADDING = frozenset({"obfuscation", "p"})  # hides from an eavesdropper how long a token is: OpenAI's and Mistral's
_LABELS = frozenset({"channel"})  # of a piece of the message, not of all of it: Groq's


def fold(events: Sequence[bytes], usage: Usage | None) -> bytes:
    """The `chat.completion` that the chunks make up.

    What the document says of itself is what the first chunk with choices that says it says. Usage is the last that the
    stream tells, else `usage`. Raises ValueError or RecursionError for a stream that is not whole, is not of this shape,
    tells of an error, or contradicts itself.
    """
    completion = Completion()
    for data in read_chunks(events):
        completion.add(data)
    document = msgspec.json.encode(completion.whole(usage))
    orjson.loads(document)  # it was put together out of slices, of which nobody has read the inside
    return document


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """What nearly every chunk says behind what all say. Read apart, the rest is not read again in each."""

    choices: list[Members]
    usage: None = None
    obfuscation: str = ""


_decode_plain = msgspec.json.Decoder(_Plain).decode


class Completion:
    """A document that grows by chunks."""

    def __init__(self) -> None:
        self._head: Members = {}
        self._aside: Members = {}  # what only chunks without choices say
        self._silent: Members = {}
        self._choices = Indexed(_choice)
        self._usage = NULL
        self._begin: bytes | None = b""  # of the first chunk; None when others are not like it

    def add(self, data: bytes) -> None:
        """Takes the next chunk."""
        if not self._begin or not data.startswith(self._begin):
            self._take(data)
            return
        try:
            plain = _decode_plain(b"{" + data[len(self._begin) :])
        except msgspec.ValidationError:
            self._begin = None
            self._take(data)
        else:
            self._choices.take(plain.choices)

    def _take(self, data: bytes) -> None:
        chunk = decode_members(data)
        choices = decode_entries(chunk.pop("choices", NULL))
        if chunk.get("object", CHUNK) not in _OBJECTS or chunk.pop("error", NULL) != NULL:
            raise Unshowable("not a chunk of a chat completion")
        if (usage := chunk.pop("usage", NULL)) != NULL:
            self._usage = usage
        self._choices.take(choices)
        self._note(chunk, self._head if choices else self._aside)
        if choices and self._begin == b"":
            self._begin = _find_begin(data)

    def whole(self, usage: Usage | None) -> dict[str, object]:
        """The document, to be encoded."""
        choices = self._choices.whole()
        if not choices:
            raise Unshowable("a stream without choices")
        rest = {**self._silent, **self._aside}
        document: dict[str, object] = {**self._head, **rest, **self._head, "object": COMPLETION}
        document["choices"] = [_finish(index, choice) for index, choice in enumerate(choices)]
        told = self._usage if self._usage != NULL else write_usage(usage)
        return document if told is None else {**document, "usage": told}

    def _note(self, chunk: Members, said: Members) -> None:
        for name, value in chunk.items():
            if name not in said and name not in _PADDING:
                (self._silent if bytes(value) in SILENT else said)[name] = value


def _find_begin(data: bytes) -> bytes | None:
    """What stands before the choices of a chunk, where that is whole members; None where it is not."""
    begin, _, _ = data.partition(b'"choices"')
    try:
        decode_members(begin.rstrip(b", ") + b"}")
    except UNREADABLE:
        return None
    return begin


def _finish(index: int, choice: dict[str, object]) -> dict[str, object]:
    """A choice of the document, of what its chunks have said."""
    message, reason = choice.pop("delta", None) or {}, choice.get("finish_reason")
    if not isinstance(message, dict) or not isinstance(reason, Raw) or not bytes(reason).startswith(b'"'):
        raise Unshowable("a choice that did not come to its end")
    if choice.get("error") is not None or "message" in choice:
        raise Unshowable("a choice that failed, or is of another shape")
    message = {name: value for name, value in message.items() if name not in _LABELS}
    message = {"role": "assistant", "content": None, **message}
    return {"index": index, "message": {**message, "role": message["role"] or "assistant"}, **choice}


def _choice() -> Pieces:
    return Pieces({"delta": _delta, "logprobs": _logprobs}, Once)


def _delta() -> Pieces:
    return Pieces({"role": Once, "tool_calls": _calls, "function_call": _function}, Loose)


def _calls() -> Indexed:
    return Indexed(_call)


def _call() -> Pieces:
    return Pieces({"function": _function, "custom": _function}, Once)


def _function() -> Pieces:
    return Pieces({"name": Once, "arguments": Text, "input": Text}, Once)


def _logprobs() -> Pieces:
    return Pieces({"content": Rows, "refusal": Rows}, Once)
