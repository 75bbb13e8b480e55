"""Server-sent events as bytes: where they end, and what one holds (WHATWG HTML, section 9.2). Pure.

A line ends with LF, CRLF or CR, but CR alone is not mixed with LF inside one blank line: no provider does, and to allow it would hold every
event back until the next byte has come.
"""

import re
from typing import NamedTuple

LONGEST_BLANK_LINE = 4

_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event's fields; `data` is its data lines joined by LF. Both are empty for a comment."""

    name: bytes
    data: bytes


def find_ends(data: bytes | bytearray, start: int = 0) -> list[int]:
    """The position behind each blank line of `data`, searching from `start`."""
    if data.find(b"\r", start) >= 0:
        return [match.end() for match in _BLANK_LINE.finditer(data, start)]
    ends = []
    found = data.find(b"\n\n", start)
    while found >= 0:
        ends.append(found + 2)
        found = data.find(b"\n\n", found + 2)
    return ends


def read_event(frame: bytes) -> Event:
    """The fields of one event; unknown fields and comments are left out."""
    if frame.startswith(b"data:") and frame.find(b"\n") == len(frame) - 2 and b"\r" not in frame:
        return Event(b"", _value(frame[5:-2]))  # the shape of nearly every event
    if frame.startswith(b"event:") and frame.count(b"\n") == 3 and frame.endswith(b"\n\n") and b"\r" not in frame:
        name, data = frame[6:-2].split(b"\n")
        if data.startswith(b"data:"):
            return Event(_value(name), _value(data[5:]))  # and of the others
    name, lines = b"", []
    for line in _LINE_END.split(frame):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(_value(value))
        elif field == b"event":
            name = _value(value)
    return Event(name, b"\n".join(lines))


def _value(text: bytes) -> bytes:
    return text[1:] if text.startswith(b" ") else text
