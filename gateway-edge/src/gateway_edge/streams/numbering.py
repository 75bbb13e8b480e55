"""The events of an answer counted as its client sees them, and those left out that it has. Pure."""

import re
from bisect import bisect_left
from itertools import pairwise

from chassis.errors import Reason, RunestoneError
from chassis.sse import find_ends

NOTHING = -2

_NUMBER = re.compile(rb'"sequence_number" ?: ?(\d{1,15})')


class Numbering:
    """Writes its number in front of each event (`id: 7`), counting behind `seq`. Events up to `had` are left out, but counted."""

    __slots__ = ("_had", "seq")

    def __init__(self, seq: int = 0, had: int = 0) -> None:
        self.seq = seq
        self._had = had

    def take(self, events: bytes) -> bytes:
        """Whole events, as they are sent; empty where the client has them all."""
        ends = find_ends(events)
        first, self.seq = self.seq, self.seq + len(ends)
        if self.seq <= self._had:
            return b""
        if len(ends) == 1:
            return b"id: %d\n%b" % (self.seq, events)
        left_out = max(0, self._had - first)
        borders = pairwise((ends[left_out - 1] if left_out else 0, *ends[left_out:]))
        numbers = range(first + left_out + 1, self.seq + 1)
        return b"".join([b"id: %d\n%b" % (n, events[a:b]) for n, (a, b) in zip(numbers, borders, strict=True)])

    def check_end(self) -> None:
        """The stream is whole. Raises INVALID_REQUEST for a client that claims to have more events than there are."""
        if self.seq < self._had:
            message = f"the stream ends with event {self.seq}; you have said that you have event {self._had}"
            raise RunestoneError(Reason.INVALID_REQUEST, message, param="starting_after")


class Sequence:
    """Leaves events out whose own `sequence_number` is not above `had`, as OpenAI's Responses count, from 0; one without a number goes
    with the one before it. None: the client has nothing."""

    __slots__ = ("_had", "_last")

    def __init__(self, had: int | None) -> None:
        self._had = NOTHING if had is None else had
        self._last = -1

    def take(self, events: bytes) -> bytes:
        """Whole events, as they are sent; empty where the client has them all."""
        if self._last > self._had:
            return events
        ends = find_ends(events)
        numbers = [self._read(events[a:b]) for a, b in pairwise((0, *ends))]
        wanted = bisect_left(numbers, self._had + 1)
        return events[ends[wanted - 1] if wanted else 0 :] if wanted < len(ends) else b""

    def check_end(self) -> None:
        """The stream is whole. Raises INVALID_REQUEST for a client that claims to have more events than there are."""
        if self._last < self._had:
            message = f"the response ends with event {self._last}, before {self._had}"
            raise RunestoneError(Reason.INVALID_REQUEST, message, param="starting_after")

    def _read(self, event: bytes) -> int:
        numbers = _NUMBER.findall(event)
        if numbers:
            self._last = max(self._last, int(numbers[-1]))
        return self._last
