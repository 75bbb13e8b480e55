"""The events of an answer, numbered from 1 as its client sees them, and as JSON. Pure.

The n-th event is what stands before the n-th blank line, so a comment of the provider is one. It has nothing to show: nor has OpenAI's
`[DONE]`, which the end of the stream says. What is shown next begins with their numbers.
"""

from typing import NamedTuple

import orjson

from chassis.sse import find_ends, read_event

DONE = b"[DONE]"


class Numbered(NamedTuple):
    """One event: `data` is JSON, `name` empty where it has none. `first` is less than `seq` where events without anything to show
    came before it."""

    first: int
    seq: int
    name: str
    data: bytes


class Numbering:
    """Numbers what comes behind event `last`."""

    __slots__ = ("_first", "last")

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self._first = last + 1

    def cut(self, events: bytes) -> list[Numbered]:
        """The events in `events`, which are whole, that have something to show."""
        found, start = [], 0
        for end in find_ends(events):
            name, data = read_event(_without_id(events[start:end]))
            start, self.last = end, self.last + 1
            if data and data != DONE:
                found.append(Numbered(self._first, self.last, name.decode(errors="replace"), show(data)))
                self._first = self.last + 1
        return found


def show(data: bytes) -> bytes:
    """`data` where it is JSON, which most is; else it as a JSON string."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return orjson.dumps(data.decode(errors="replace"))
    return data


def _without_id(event: bytes) -> bytes:
    """A stream that can be resumed has its number in front of each event, which we know."""
    return event[event.find(b"\n") + 1 :] if event.startswith(b"id:") else event
