"""Recorded server-sent events: where each one ends, and what it says (WHATWG HTML, section 9.2)."""

import re
from collections.abc import Container, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Self

import msgspec

DONE = b"[DONE]"

# A kept answer that cannot be read: malformed or mistyped, text that is not UTF-8, nested too deeply, of another shape.
UNREADABLE = (ValueError, RecursionError)

_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_WITHOUT_MEANING = frozenset({b"id", b"retry"})
_USUAL_NAMES = frozenset({b"", b"message"})


class Unshowable(ValueError):  # noqa: N818  says what the answer is
    """The answer is not what its dialect promises, and has no other form. Whoever asks for one gets none."""


class Recording(msgspec.Struct, frozen=True):
    """A stream as it was recorded: its bytes, where each event ends in them, and when it came in seconds from the first;
    no times where they are unknown. `ends` is never empty, and its last is the length of `body`."""

    body: bytes
    ends: Sequence[int]
    offsets: Sequence[float] = ()

    @property
    def events(self) -> list[bytes]:
        """All events."""
        return [self.body[start:end] for start, end in pairwise([0, *self.ends])]

    def without(self, left_out: Container[int]) -> Self:
        """The recording less the events at these places."""
        kept = [(place, event) for place, event in enumerate(self.events) if place not in left_out]
        offsets = [self.offsets[place] for place, _ in kept] if self.offsets else ()
        return self._of([event for _, event in kept], offsets)

    def insert(self, place: int, event: bytes) -> Self:
        """The recording with one more event, which comes together with the one that it is put before."""
        events = [*self.events[:place], event, *self.events[place:]]
        return self._of(events, [*self.offsets[: place + 1], *self.offsets[place:]] if self.offsets else ())

    @classmethod
    def _of(cls, events: Sequence[bytes], offsets: Sequence[float]) -> Self:
        return cls(b"".join(events), list(accumulate(map(len, events))), offsets)


def find_ends(events: bytes) -> list[int]:
    """The position behind each event, in bytes: behind the blank line that ends it, whichever line ends it is made of.
    What follows the last one has not ended."""
    if b"\r" in events:
        return [match.end() for match in _BLANK_LINE.finditer(events)]
    ends = []
    found = events.find(b"\n\n")
    while found >= 0:
        ends.append(found + 2)
        found = events.find(b"\n\n", found + 2)
    return ends


def read_chunks(events: Sequence[bytes]) -> Iterator[bytes]:
    """What each event says, up to `[DONE]`. Raises Unshowable when that is missing or is not the last word, or where an
    event is of an unknown kind."""
    is_done = False
    for event in events:
        data = read_data(event)
        if data and is_done:
            raise Unshowable("something was said behind the end")
        if data == DONE:
            is_done = True
        elif data:
            yield data
    if not is_done:
        raise Unshowable("the stream does not say that it is whole")


def read_data(event: bytes) -> bytes:
    """An event's data lines, joined by LF; empty for comments. Raises Unshowable for an event with a name, or one that
    holds a field that there is not."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and event.find(b"\r") < 0:
        return event[6:-2]  # the shape of nearly every event
    data = []
    for line in _LINE_END.split(event):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event" and value.strip() not in _USUAL_NAMES:
            raise Unshowable("an event of another kind")
        elif field not in _WITHOUT_MEANING and field not in {b"", b"event"}:
            raise Unshowable("a field that events do not have")
    return b"\n".join(data)


def write_event(data: bytes) -> bytes:
    """`data`, which is one line, as an event."""
    return b"data: %b\n\n" % data
