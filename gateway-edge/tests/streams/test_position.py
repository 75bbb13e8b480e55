"""From where a stream is read on, and what any edge knows of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from gateway_edge.streams.note import LARGEST, StreamNote, is_stream_id, read_note, write_note
from gateway_edge.streams.position import read_position


@pytest.mark.parametrize(
    ("headers", "query", "position"),
    [
        ({}, "", 0),
        ({"last-event-id": "7"}, "", 7),
        ({"last-event-id": "0"}, "x=y", 0),
        ({}, "starting_after=12", 12),
        ({}, "starting%5Fafter=12&stream=true", 12),
    ],
)
def test_a_place_is_said_by_header_or_query(headers: dict[str, str], query: str, position: int) -> None:
    assert read_position(headers, query) == position


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"last-event-id": "7"}, "starting_after=7"),
        ({}, "starting_after=7&starting_after=7"),
        ({"last-event-id": ""}, ""),
        ({"last-event-id": "-1"}, ""),
        ({"last-event-id": "1.0"}, ""),
        ({"last-event-id": "\u0661"}, ""),
        ({"last-event-id": "9" * 16}, ""),
        ({}, "starting_after=%ff"),
        ({}, "a=b&" * 40),
    ],
)
def test_what_is_no_place_is_refused(headers: dict[str, str], query: str) -> None:
    with pytest.raises(RunestoneError) as refused:
        read_position(headers, query)
    assert refused.value.reason is Reason.INVALID_REQUEST


notes = st.builds(
    StreamNote,
    path=st.just("/v1/responses"),
    model=st.text(max_size=40),
    pipeline=st.text(max_size=20),
    version=st.binary(max_size=32),
    is_changing=st.booleans(),
    routed_by=st.binary(max_size=32),
    kept=st.binary(max_size=32),
)


@given(notes)
def test_a_note_is_read_as_it_was_written(note: StreamNote) -> None:
    written = write_note(note)
    assert len(written) <= LARGEST and read_note(written) == note


def test_a_note_that_cannot_be_kept_is_none() -> None:
    assert write_note(StreamNote("/v1/responses", "m" * 2000)) == b""
    assert read_note(b"{") is None and read_note(b'{"path": 1}') is None


@pytest.mark.parametrize("text", ["", "a/b", "a:b", "ä", "a" * 129, "a b"])
def test_what_is_no_id_is_not_asked_for(text: str) -> None:
    assert not is_stream_id(text)
