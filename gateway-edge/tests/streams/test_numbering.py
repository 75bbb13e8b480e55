"""Events are counted as their client sees them, whatever comes together and wherever it goes on."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.sse import find_ends
from gateway_edge.streams.numbering import Numbering, Sequence

texts = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=12)
events = st.one_of(
    texts.map(lambda text: f"data: {text}\n\n"),
    texts.map(lambda text: f"event: x\ndata: {text}\n\n"),
    texts.map(lambda text: f": {text}\n\n"),
    texts.map(lambda text: f"data: {text}\r\n\r\n"),
)
messages = st.lists(st.lists(events, min_size=1, max_size=4).map(lambda some: "".join(some).encode()), max_size=8)


def split(data: bytes) -> list[bytes]:
    return [data[a:b] for a, b in pairwise((0, *find_ends(data)))]


def read(data: bytes) -> list[tuple[int, bytes]]:
    numbered = [event.partition(b"\n") for event in split(data)]
    return [(int(line.removeprefix(b"id: ")), rest) for line, _, rest in numbered]


@given(messages)
def test_every_event_has_its_number_and_is_otherwise_what_it_was(parts: list[bytes]) -> None:
    numbering = Numbering()
    sent = b"".join(map(numbering.take, parts))
    assert read(sent) == list(enumerate(split(b"".join(parts)), 1))


@given(messages, st.data())
def test_who_comes_back_gets_what_he_does_not_have(parts: list[bytes], data: st.DataObject) -> None:
    whole = read(b"".join(map(Numbering().take, parts)))
    had = data.draw(st.integers(0, len(whole)))
    again = Numbering(0, had)
    assert read(b"".join(map(again.take, parts))) == whole[had:]
    again.check_end()


@given(messages, st.integers(0, 100))
def test_numbers_go_on_behind_what_the_client_has(parts: list[bytes], had: int) -> None:
    sent = read(b"".join(map(Numbering(had, had).take, parts)))
    assert [number for number, _ in sent] == list(range(had + 1, had + 1 + len(sent)))


def test_who_claims_more_than_there_is_is_told_at_the_end() -> None:
    numbering = Numbering(0, 5)
    assert numbering.take(b"data: 1\n\n") == b""
    with pytest.raises(RunestoneError) as refused:
        numbering.check_end()
    assert refused.value.reason is Reason.INVALID_REQUEST


def response(number: int) -> bytes:
    return b'event: x\ndata: {"type": "x", "sequence_number": %d, "delta": "\\"sequence_number\\": 99"}\n\n' % number


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_a_response_goes_on_by_its_own_numbers(sizes: list[int], data: st.DataObject) -> None:
    numbers = iter(range(sum(sizes)))
    parts = [b"".join(response(next(numbers)) for _ in range(size)) for size in sizes]
    had = data.draw(st.none() | st.integers(0, sum(sizes) - 1))
    sequence = Sequence(had)
    sent = b"".join(map(sequence.take, parts))
    assert sent == b"".join(map(response, range(0 if had is None else had + 1, sum(sizes))))
    sequence.check_end()


def test_a_number_behind_the_last_is_refused() -> None:
    sequence = Sequence(7)
    assert sequence.take(response(0)) == b""
    with pytest.raises(RunestoneError):
        sequence.check_end()
