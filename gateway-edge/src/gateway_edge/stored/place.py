"""Where a response is: which provider stores it, and which model made it. Pure."""

import re

import msgspec
from msgspec import Struct


class Place(Struct, frozen=True, forbid_unknown_fields=False, omit_defaults=True):
    """`provider` by its name in the configuration, empty where none stores it; `model` by the public name that was asked for. `stream` is the
    id of the stream that it came in, where that can be read on."""

    provider: str
    model: str
    stream: str = ""


LARGEST = 1024  # bytes, as StateService takes them

_decode = msgspec.json.Decoder(Place).decode
_is_id = re.compile(r"[A-Za-z0-9_-]{1,255}").fullmatch


def is_id(text: str) -> bool:
    """Whether `text` may be a response's id. Most makers' begin with `resp_`, not all; none needs escaping in a path."""
    return _is_id(text) is not None


def write_place(place: Place) -> bytes:
    """`place` as a note; empty where it is too large for one."""
    note = msgspec.json.encode(place)
    return note if len(note) <= LARGEST else b""


def read_place(note: bytes) -> Place | None:
    """What a note says; None for what is none, of a later version, say."""
    try:
        return _decode(note)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
