"""The copy of one stream, held to a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_svc.streams.copy import OVERHEAD, Copy
from cache_svc.streams.store import Piece
from cache_svc.streams.writing import cut
from chassis.errors import Reason, RunestoneError
from runestone.stream.v1.stream_pb2 import ReadResponse

PIECES = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 4), st.booleans()), max_size=20)
MAX_BYTES = 6 * (OVERHEAD + 10)


def text(number):
    return b"%010d" % number


@given(PIECES, st.integers(0, 15))
def test_any_order_of_pieces_leaves_the_events_that_followed_each_other(pieces, place):
    copy, last, is_over = Copy(), 0, False
    for first, count, ends in pieces:
        piece = Piece(
            first_seq=first,
            last_seq=first + count - 1,
            events=b"".join(map(text, range(first, first + count))),
            end=b"over" if ends else b"",
        )
        is_refused = first > last + 1 or (is_over and piece.last_seq > last)
        if is_refused:
            with pytest.raises(RunestoneError) as caught:
                copy.append(piece)
            assert caught.value.reason is Reason.EVENTS_LOST
        else:
            copy.append(piece)
            last = max(last, piece.last_seq)
            is_over = is_over or (ends and piece.last_seq == last)
    page = copy.read(place)
    found, after = [], place
    for chunk in page.chunks:
        size = chunk.last_seq - after
        found += [chunk.events[-10 * size :][index * 10 : index * 10 + 10] for index in range(size)]
        after = chunk.last_seq
    assert found == [text(number) for number in range(place + 1, last + 1)]
    assert page.end == (b"over" if is_over else b"")


@given(st.lists(st.integers(1, 3), max_size=30))
def test_it_never_takes_more_than_it_may_and_keeps_the_newest(counts):
    copy, last = Copy(MAX_BYTES), 0
    for count in counts:
        numbers = range(last + 1, last + count + 1)
        copy.append(Piece(first_seq=last + 1, last_seq=last + count, events=b"".join(map(text, numbers))))
        last += count
        assert copy.size <= MAX_BYTES + OVERHEAD
        assert copy.read(last - 1).chunks[-1].last_seq == last


@given(st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=6), st.integers(1, 9), st.data())
def test_a_cut_leaves_the_events_behind_a_place(events, first, data):
    ends = [sum(map(len, events[: index + 1])) for index in range(len(events))]
    whole = ReadResponse(body=b"".join(events), first_seq=first, ends=ends)
    place = data.draw(st.integers(0, first + len(events) - 2))
    rest = cut(whole, place)
    begin = max(first, place + 1)
    assert rest.first_seq == begin
    starts = [0, *rest.ends[:-1]]
    assert [rest.body[start:end] for start, end in zip(starts, rest.ends, strict=True)] == events[begin - first :]
