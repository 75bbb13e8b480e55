"""The frames of Phoenix Channels V2, as bytes and back: text is a JSON array, binary has a head of lengths
(Phoenix' `Phoenix.Socket.V2.JSONSerializer` and its client's `serializer.js`). Pure.

A payload is passed on as it came: what is inside, only who asked for it reads.
"""

from typing import NamedTuple

import msgspec
import orjson

LONGEST = 255  # bytes of a topic, an event, a reference: a binary frame has one byte for each length
PUSH, REPLY = 0, 1
EMPTY = b"{}"


class MalformedFrameError(Exception):
    """What came is no frame; its text says why."""


class Frame(NamedTuple):
    """What a client sent. `payload` is JSON, or any bytes where it `is_binary`."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: bytes
    is_binary: bool = False


class _Array(msgspec.Struct, array_like=True, frozen=True):
    """More elements may follow: Phoenix passes over them."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: msgspec.Raw


_array = msgspec.json.Decoder(_Array)


def read_frame(message: str | bytes) -> Frame:
    """A message as a frame. Raises MalformedFrameError for what is none, and for one whose names are longer than a frame may have
    them."""
    frame = _read_text(message) if isinstance(message, str) else _read_binary(message)
    names = (frame.join_ref or "", frame.ref or "", frame.topic, frame.event)
    if any(len(name) > LONGEST or (not name.isascii() and len(name.encode()) > LONGEST) for name in names):
        raise MalformedFrameError(f"topic, event and references have at most {LONGEST} bytes")
    return frame


def _read_text(message: str) -> Frame:
    try:
        read = _array.decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise MalformedFrameError("a frame is [join_ref, ref, topic, event, payload]") from error
    return Frame(read.join_ref, read.ref, read.topic, read.event, bytes(read.payload))


def _read_binary(message: bytes) -> Frame:
    if len(message) < 5 or message[0] != PUSH:
        raise MalformedFrameError("a binary frame begins with 0 and four lengths")
    names, position = [], 5
    for length in message[1:5]:
        name = message[position : position + length]
        if len(name) < length:
            raise MalformedFrameError("a binary frame is shorter than its lengths say")
        names.append(_read_name(name))
        position += length
    join_ref, ref, topic, event = names
    return Frame(join_ref or None, ref or None, topic, event, message[position:], is_binary=True)


def _read_name(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise MalformedFrameError("the names in a binary frame are UTF-8") from error


def open_push(join_ref: str | None, topic: str, event: str) -> bytes:
    """What stands before the payload of a push, so that who pushes often writes it once; `]` follows the payload."""
    return b"[%b,null,%b,%b," % (orjson.dumps(join_ref), orjson.dumps(topic), orjson.dumps(event))


def write_push(join_ref: str | None, topic: str, event: str, payload: bytes = EMPTY) -> bytes:
    """A message to one member of a topic."""
    return open_push(join_ref, topic, event) + payload + b"]"


def write_broadcast(topic: str, event: str, payload: bytes = EMPTY) -> bytes:
    """A message that is the same for everybody."""
    return write_push(None, topic, event, payload)


def write_reply(frame: Frame, status: str, response: bytes = EMPTY, *, is_matched: bool = True) -> bytes:
    """The answer to `frame`, by its references; without that of a join where the topic was not joined."""
    join_ref = orjson.dumps(frame.join_ref if is_matched else None)
    head = (join_ref, orjson.dumps(frame.ref), orjson.dumps(frame.topic), orjson.dumps(status))
    return b'[%b,%b,%b,"phx_reply",{"status":%b,"response":' % head + response + b"}]"


def write_about_join(join_ref: str | None, topic: str, event: str, payload: bytes = EMPTY) -> bytes:
    """What happened to a joined topic (`phx_close`, `phx_error`): both references are that of the join."""
    reference = orjson.dumps(join_ref)
    return b"[%b,%b,%b,%b,%b]" % (reference, reference, orjson.dumps(topic), orjson.dumps(event), payload)


def write_binary_reply(frame: Frame, status: str, response: bytes) -> bytes:
    """As `write_reply`, with bytes of any kind; a binary frame."""
    return _lay(REPLY, (frame.join_ref or "", frame.ref or "", frame.topic, status), response)


def write_binary_push(join_ref: str | None, topic: str, event: str, payload: bytes) -> bytes:
    """As `write_push`, with bytes of any kind; a binary frame."""
    return _lay(PUSH, (join_ref or "", topic, event), payload)


def _lay(kind: int, names: tuple[str, ...], payload: bytes) -> bytes:
    written = [name.encode() for name in names]
    return bytes([kind, *map(len, written)]) + b"".join(written) + payload
