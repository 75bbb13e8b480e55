from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.provider import Chunk
from provider_svc.ring import Ring

EVENTS = st.lists(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=4), min_size=1, max_size=20)


def chunk_of(events):
    return Chunk(b"".join(events), tuple(accumulate(map(len, events))))


def read_all(ring, after_seq, most):
    """Everything behind `after_seq`, in pieces of at most `most` bytes, as (number, bytes)."""
    found = []
    while (piece := ring.read(after_seq, most)) is not None:
        assert piece.first_seq == after_seq + 1
        assert len(piece.body) <= most or len(piece.ends) == 1
        starts = [0, *piece.ends]
        found += [(piece.first_seq + i, piece.body[starts[i] : end]) for i, end in enumerate(piece.ends)]
        after_seq = piece.last_seq
    return found


@given(EVENTS, st.integers(1, 64), st.integers(0, 80))
def test_reading_from_anywhere_gives_every_later_event_once(chunks, most, after_seq):
    ring = Ring(1 << 20)
    for events in chunks:
        ring.append(chunk_of(events))
    numbered = list(enumerate([event for events in chunks for event in events], start=1))
    assert read_all(ring, min(after_seq, ring.last_seq), most) == numbered[after_seq:]


@given(EVENTS, st.integers(0, 60))
def test_the_ring_holds_its_capacity_or_one_chunk(chunks, capacity):
    ring = Ring(capacity)
    for events in chunks:
        ring.append(chunk_of(events))
        assert ring.held <= capacity or ring.first_seq == ring.last_seq - len(events) + 1
    assert ring.last_seq == sum(map(len, chunks))


@given(EVENTS, st.integers(0, 30), st.data())
def test_what_a_reader_has_not_read_never_leaves(chunks, capacity, data):
    """A reader that falls behind reads every event all the same; bounding how far it may fall is the flight's part."""
    ring, seq, read, found = Ring(capacity), 0, 0, []
    for events in chunks:
        ring.append(chunk_of(events), lambda unread=read: unread)
        if data.draw(st.booleans()) and (piece := ring.read(seq, 20)) is not None:
            found.append(piece.body)
            seq, read = piece.last_seq, read + len(piece.body)
    found += [event for _, event in read_all(ring, seq, 20)]
    assert b"".join(found) == b"".join(event for events in chunks for event in events)


@given(EVENTS, st.integers(0, 80))
def test_an_offset_counts_the_bytes_before_a_place(chunks, after_seq):
    ring = Ring(1 << 20)
    for events in chunks:
        ring.append(chunk_of(events))
    flat = [event for events in chunks for event in events]
    after_seq = min(after_seq, len(flat))
    assert ring.offset_behind(after_seq) == sum(map(len, flat[:after_seq]))


def test_a_place_that_is_gone_or_not_yet_there_is_refused():
    ring = Ring(2)
    for _ in range(3):
        ring.append(Chunk(b"ab", (2,)))
    ring.check_reaches(2)
    ring.check_reaches(3)
    with pytest.raises(RunestoneError) as lost:
        ring.check_reaches(1)
    assert lost.value.reason is Reason.EVENTS_LOST
    with pytest.raises(RunestoneError) as early:
        ring.check_reaches(4)
    assert early.value.reason is Reason.INVALID_REQUEST


def test_nothing_leaves_while_somebody_may_come_back_for_all_of_it():
    """Who reads on although nobody follows asks first whether it is full."""
    ring = Ring(20)
    for number in range(4):
        assert ring.is_full is (number >= 2)
        ring.append(Chunk(b"x" * 10, (10,)), lambda: None)
    assert (ring.first_seq, ring.held) == (1, 40)
    ring.append(Chunk(b"x" * 10, (10,)), lambda: 40)
    assert (ring.first_seq, ring.held) == (4, 20)
