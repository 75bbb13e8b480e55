import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.sse import Event, read_event
from provider_svc.sse import Splitter

ENDINGS = (b"\n", b"\r\n", b"\r")
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"), max_size=12).map(str.encode)


@st.composite
def streams(draw):
    """A byte stream of whole events with one kind of line ending, and the events' bytes."""
    ending = draw(st.sampled_from(ENDINGS))
    events = draw(st.lists(st.lists(LINES.filter(bool), min_size=1, max_size=3), max_size=6))
    return [b"".join(line + ending for line in lines) + ending for lines in events]


def feed_all(blocks):
    splitter = Splitter()
    frames = []
    for block in blocks:
        if (ready := splitter.feed(block)) is not None:
            assert ready.ends[-1] == len(ready.body)
            frames += ready.split()
    return frames, splitter.rest


def cut(stream, places):
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(streams(), st.lists(st.integers(0, 1 << 16), max_size=8), st.booleans())
def test_any_cutting_of_a_stream_gives_the_same_events(events, places, with_bom):
    """Also in the middle of a character, of a line ending and of the byte order mark."""
    stream = (b"\xef\xbb\xbf" if with_bom else b"") + b"".join(events)
    assert feed_all(cut(stream, places)) == (events, b"")


@given(st.binary(max_size=200), st.lists(st.integers(0, 1 << 16), max_size=8))
def test_any_cutting_of_any_bytes_gives_the_same_events(stream, places):
    assert feed_all(cut(stream, places)) == feed_all([stream])


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\xef\xbb\xbf", b"\xef"]), max_size=30))
def test_byte_by_byte_is_the_same_as_at_once_around_line_ends(parts):
    stream = b"".join(parts)
    assert feed_all([stream[i : i + 1] for i in range(len(stream))]) == feed_all([stream])


@given(streams())
def test_no_byte_is_lost_or_made_up(events):
    frames, rest = feed_all([b"".join(events) + b"data: unfinished"])
    assert b"".join(frames) == b"".join(events)
    assert rest == b"data: unfinished"


@pytest.mark.parametrize("size", [1, 7, 100])
def test_an_event_that_never_ends_is_refused_before_it_fills_memory(size):
    splitter = Splitter(max_event=100)
    with pytest.raises(RunestoneError) as error:
        for _ in range(101):
            splitter.feed(b"x" * size)
    assert error.value.reason is Reason.PROVIDER_INVALID_ANSWER


def test_a_large_event_is_refused_however_it_came():
    with pytest.raises(RunestoneError):
        Splitter(max_event=100).feed(b"data: 1\n\n" + b"x" * 200 + b"\n\n")


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (b"data: {}\n\n", Event(b"", b"{}")),
        (b"data:{}\r\n\r\n", Event(b"", b"{}")),
        (b"event: ping\ndata: 1\ndata: 2\n\n", Event(b"ping", b"1\n2")),
        (b": comment\n\n", Event(b"", b"")),
        (b"data:  two spaces\n\n", Event(b"", b" two spaces")),
        (b"data\n\n", Event(b"", b"")),
        (b"id: 7\rdata: x\r\r", Event(b"", b"x")),
        (b"\n\n", Event(b"", b"")),
    ],
)
def test_an_events_fields_are_read_as_the_specification_says(frame, event):
    assert read_event(frame) == event
