"""What any edge has to know of a stream to go on with it. Pure."""

import re

import msgspec
from msgspec import Struct

LARGEST = 1024  # bytes, as StateService takes them

_is_id = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch


class StreamNote(Struct, frozen=True, omit_defaults=True):
    """Of the call that began it: `path` of its endpoint, the public `model`, its `route`, the `key`'s name, its `pipeline` and the
    version of that, and whether that pipeline `is_changing` answers. `routed_by` leads to the provider-svc that reads it; empty for the
    stream's own id.

    An answer out of the cache is under the key `kept` as `kept_for` (a tenant; empty for what tenants share), and has the id `kept_id`.
    `wants_usage`: whether it is told the tokens. `traceparent` is where in which trace it began."""

    path: str
    model: str
    route: str = ""
    key: str = ""
    pipeline: str = ""
    version: bytes = b""
    is_changing: bool = False
    routed_by: bytes = b""
    kept: bytes = b""
    kept_for: str = ""
    kept_id: str = ""
    wants_usage: bool = False
    traceparent: str = ""


_decode = msgspec.json.Decoder(StreamNote).decode


def is_stream_id(text: str) -> bool:
    """Whether `text` may be a stream's id."""
    return _is_id(text) is not None


def name_note(stream_id: str) -> str:
    """What the note is kept under: no response has such an id."""
    return f"stream:{stream_id}"


def write_note(note: StreamNote) -> bytes:
    """`note` as bytes; empty where it is too large to be kept."""
    written = msgspec.json.encode(note)
    return written if len(written) <= LARGEST else b""


def read_note(written: bytes) -> StreamNote | None:
    """What was kept; None for what is none, of a later version, say."""
    try:
        return _decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
