"""The frames of Phoenix Channels V2: `[join_ref, ref, topic, event, payload]`, and binary ones for payloads that are no JSON. Pure."""

import json
from dataclasses import dataclass
from typing import Any

PUSH, REPLY, BROADCAST = 0, 1, 2


class MalformedFrameError(ValueError):
    """What came is none."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `payload` is JSON, or bytes where it came as them; that of a reply is `{"status": ..., "response": ...}`. `size` is how
    many bytes (characters, of a text) it took."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Any
    size: int = 0


def write_frame(join_ref: str | None, ref: str | None, topic: str, event: str, payload: str) -> str:
    """As it is sent; `payload` is JSON already."""
    head = json.dumps([join_ref, ref, topic, event], ensure_ascii=False, separators=(",", ":"))
    return f"{head[:-1]},{payload}]"


def write_payload(payload: object) -> str:
    """JSON, as short as it goes. Raises ValueError and TypeError for what is none."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_frame(message: str | bytes) -> Frame:
    """Raises MalformedFrameError."""
    try:
        return _read_text(message) if isinstance(message, str) else _read_binary(message)
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise MalformedFrameError(f"no frame of Phoenix' channels: {error}") from error


def _read_text(message: str) -> Frame:
    join_ref, ref, topic, event, payload, *_ = json.loads(message)
    if not isinstance(topic, str) or not isinstance(event, str):
        raise MalformedFrameError("topic and event are strings")
    return Frame(join_ref, ref, topic, event, payload, len(message))


def _read_binary(message: bytes) -> Frame:
    """The kind, a byte for each length, then the parts, then the payload."""
    kind = message[0]
    count = {PUSH: 3, REPLY: 4, BROADCAST: 2}[kind] if kind <= BROADCAST else 0
    if not count:
        raise MalformedFrameError(f"kind {kind}")
    start, parts = 1 + count, []
    for length in message[1 : 1 + count]:
        parts.append(message[start : start + length].decode())
        start += length
    if start > len(message):
        raise MalformedFrameError("it is cut")
    rest, size = message[start:], len(message)
    if kind == REPLY:
        join_ref, ref, topic, status = parts
        return Frame(join_ref or None, ref or None, topic, "phx_reply", {"status": status, "response": rest}, size)
    join_ref, topic, event = parts if kind == PUSH else ("", *parts)
    return Frame(join_ref or None, None, topic, event, rest, size)
