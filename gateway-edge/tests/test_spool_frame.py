"""Frames: what was written comes back, what is damaged is noticed, nothing is invented."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.spool.frame import Frames, read_frames, write_frame

payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=12)
UNBOUNDED = {"max_records": 1_000, "max_bytes": 1 << 30}


def encode(records):
    return b"".join(map(write_frame, records))


@given(payloads)
def test_payloads_come_back_in_their_order(records):
    """Any bytes may stand in a record."""
    data = encode(records)
    assert read_frames(data, **UNBOUNDED) == Frames(tuple(records), len(data))


@given(payloads, st.data())
def test_a_cut_at_any_byte_keeps_the_whole_frames_before_it(records, data):
    """A process may die in the middle of a write."""
    whole = encode(records)
    cut = data.draw(st.integers(0, len(whole)))
    frames = read_frames(whole[:cut], **UNBOUNDED)
    ends = [len(encode(records[:count])) for count in range(len(records) + 1)]
    assert frames.payloads == tuple(records[: len(frames.payloads)])
    assert frames.end == max(end for end in ends if end <= cut)
    assert frames.is_damaged == (cut not in ends)


@given(payloads.filter(bool), st.data())
def test_a_flipped_bit_ends_the_reading_at_its_frame(records, data):
    """Every bit of a frame is covered: its length, its checksum, its payload."""
    whole = bytearray(encode(records))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= 1 << data.draw(st.integers(0, 7))
    frames = read_frames(bytes(whole), **UNBOUNDED)
    before = sum(len(encode(records[: count + 1])) <= position for count in range(len(records)))
    assert frames == Frames(tuple(records[:before]), len(encode(records[:before])), is_damaged=True)


@given(payloads, st.binary(max_size=60))
def test_bytes_that_were_never_written_are_no_records(records, garbage):
    """Whatever a file system left behind the frames."""
    assert read_frames(encode(records) + garbage, **UNBOUNDED).payloads == tuple(records)


@given(payloads, st.integers(1, 5), st.integers(1, 120))
def test_bounds_hold_and_reading_on_covers_everything(records, max_records, max_bytes):
    """A batch is bounded in records and bytes; a frame above the bound comes alone."""
    data, found = encode(records), []
    while data:
        frames = read_frames(data, max_records=max_records, max_bytes=max_bytes)
        assert 1 <= len(frames.payloads) <= max_records
        assert len(frames.payloads) == 1 or frames.end <= max_bytes
        found += frames.payloads
        data = data[frames.end :]
    assert found == records


def test_zeros_are_no_frames():
    """A file system may fill the end of a file with zeros when the machine dies."""
    assert read_frames(write_frame(b"a") + bytes(64), **UNBOUNDED) == Frames((b"a",), 9, is_damaged=True)


def test_an_empty_record_is_refused():
    """It could not be told from damage."""
    with pytest.raises(ValueError, match="empty"):
        write_frame(b"")
