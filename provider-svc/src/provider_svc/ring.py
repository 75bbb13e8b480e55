"""A call's last events: numbered, bounded in bytes, readable from any number that is still there."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from chassis.billing.estimate import Passed
from chassis.errors import Reason, RunestoneError
from provider_svc.provider import Chunk


class Slice(msgspec.Struct, frozen=True, gc=False):
    """Events that follow each other: their bytes, the first one's number, where each ends in the bytes, and how many bytes
    of the call came before them."""

    body: bytes
    first_seq: int
    ends: tuple[int, ...]
    offset: int

    @property
    def last_seq(self) -> int:
        """The last one's number."""
        return self.first_seq + len(self.ends) - 1


class Ring:
    """Numbers a call's events from 1 and keeps the last `capacity` bytes of them; the newest chunk is always kept.

    `held` counts the bytes that are kept now, `written` all that ever came.
    """

    __slots__ = ("_capacity", "_kept", "held", "last_seq", "written")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._kept: deque[Slice] = deque()
        self.held = 0
        self.last_seq = 0
        self.written = 0

    @property
    def is_full(self) -> bool:
        """Whether something would have to leave for more to come."""
        return self.held >= self._capacity

    @property
    def first_seq(self) -> int:
        """The oldest number that can still be read; one behind the last where nothing is kept."""
        return self._kept[0].first_seq if self._kept else self.last_seq + 1

    def append(self, chunk: Chunk, find_unread: Callable[[], int | None] | None = None) -> None:
        """Adds the next events. The oldest leave when there are too many bytes, but none from byte `find_unread()` on: a
        reader still needs them; None where one may come back for all of them. Who lets readers fall behind bounds how far."""
        size = len(chunk.body)
        self._kept.append(Slice(chunk.body, self.last_seq + 1, chunk.ends, self.written))
        self.last_seq += len(chunk.ends)
        self.written += size
        self.held += size
        if self.held > self._capacity:
            self._let_go(self.written if find_unread is None else find_unread() or 0)

    def _let_go(self, needed: int) -> None:
        while self.held > self._capacity and len(self._kept) > 1 and self._kept[1].offset <= needed:
            self.held -= len(self._kept.popleft().body)

    def check_reaches(self, after_seq: int) -> None:
        """Raises EVENTS_LOST when the event behind `after_seq` is gone, INVALID_REQUEST when `after_seq` has not been."""
        if after_seq > self.last_seq:
            raise RunestoneError(
                Reason.INVALID_REQUEST, f"the call has only come to event {self.last_seq}, not to {after_seq}"
            )
        if after_seq + 1 < self.first_seq:
            raise RunestoneError(
                Reason.EVENTS_LOST, f"events before {self.first_seq} are no longer kept; {after_seq + 1} was asked for"
            )

    def read(self, after_seq: int, most: int) -> Slice | None:
        """The events behind `after_seq` that fit into `most` bytes, at least one; None when there is none yet. Raises
        EVENTS_LOST when the next one is gone."""
        if after_seq >= self.last_seq:
            return None
        newest = self._kept[-1]
        if newest.first_seq == after_seq + 1 and len(newest.body) <= most:
            return newest  # nearly always: a reader that keeps up
        self.check_reaches(after_seq)
        index = self._find(after_seq)
        gathered = _cut(self._kept[index], after_seq, most)
        slices, size = [gathered], len(gathered.body)
        for events in self._following(index, gathered):
            size += len(events.body)
            if size > most:
                break
            slices.append(events)
        return _merge(slices)

    def measure(self) -> Passed:
        """All that came, as far as it is kept, for an estimate of what it was."""
        passed = Passed()
        for events in self._kept:
            passed.add(events.body)
        passed.size = self.written
        return passed

    def offset_behind(self, after_seq: int) -> int:
        """How many bytes came up to and with `after_seq`, which must be one that `check_reaches` accepts."""
        if after_seq >= self.last_seq:
            return self.written
        events = self._kept[self._find(after_seq)]
        return events.offset + _start(events, after_seq + 1)

    def _find(self, after_seq: int) -> int:
        """Where the event behind `after_seq` stands in what is kept."""
        return bisect_right(self._kept, after_seq, key=lambda events: events.last_seq)

    def _following(self, index: int, first: Slice) -> Iterator[Slice]:
        """The whole slices behind `index`; none when `first` is not all that stands there."""
        if first.last_seq == self._kept[index].last_seq:
            yield from islice(self._kept, index + 1, None)

    def __repr__(self) -> str:
        return f"Ring(events {self.first_seq}-{self.last_seq}, {self.held}/{self._capacity} bytes)"


def _start(events: Slice, seq: int) -> int:
    """Where the event `seq` begins in the slice's bytes."""
    return events.ends[seq - events.first_seq - 1] if seq > events.first_seq else 0


def _cut(events: Slice, after_seq: int, most: int) -> Slice:
    """The slice's events behind `after_seq` that fit into `most` bytes, at least one."""
    first = max(after_seq + 1, events.first_seq)
    start = _start(events, first)
    skipped = first - events.first_seq
    if not start and len(events.body) <= most:
        return events
    stop = max(bisect_right(events.ends, start + most), skipped + 1)
    ends = tuple(end - start for end in events.ends[skipped:stop])
    return Slice(events.body[start : events.ends[stop - 1]], first, ends, events.offset + start)


def _merge(slices: list[Slice]) -> Slice:
    if len(slices) == 1:
        return slices[0]
    ends: list[int] = []
    for part in slices:
        base = ends[-1] if ends else 0
        ends += [base + end for end in part.ends]
    return Slice(b"".join(part.body for part in slices), slices[0].first_seq, tuple(ends), slices[0].offset)
