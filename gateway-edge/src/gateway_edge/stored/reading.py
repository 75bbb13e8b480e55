"""What passes of a response, read as far as to know its id. Pure."""

import re

import msgspec
from msgspec import Struct

from gateway_edge.stored.place import is_id

# What can stand in the way of reading: malformed or mistyped, text that is not UTF-8, nested too deeply.
UNREADABLE = (ValueError, RecursionError)

# The last events of a stream that is whole.
LAST = (b"response.completed", b"response.incomplete")

_DATA = re.compile(rb"^data: ?(.*)$", re.MULTILINE)


class Response(Struct, frozen=True):
    """A response; `store` as its provider means to do."""

    id: str = ""
    store: bool | None = None


class Event(Struct, frozen=True):
    """An event of a stream that has the response in it."""

    response: Response = Response()


_decode_response = msgspec.json.Decoder(Response).decode
_decode_event = msgspec.json.Decoder(Event).decode


def read_document(body: bytes) -> str:
    """The id of a whole response that is stored; empty where there is none."""
    try:
        return _id_of(_decode_response(body))
    except UNREADABLE:
        return ""


def read_events(events: bytes, *, is_stored: bool = True) -> str:
    """The id of the response that the first of `events` begins, and that is to be stored unless `is_stored` is False; empty where it does
    not say."""
    first = _DATA.search(events)
    if first is None:
        return ""
    try:
        return _id_of(_decode_event(first[1]).response, is_stored=is_stored)
    except UNREADABLE:
        return ""


def may_hold_end(events: bytes) -> bool:
    """Whether the stream may end with these. Text that speaks of ends is taken for one, too."""
    return any(last in events for last in LAST)


def _id_of(response: Response, *, is_stored: bool = True) -> str:
    return response.id if not (is_stored and response.store is False) and is_id(response.id) else ""
