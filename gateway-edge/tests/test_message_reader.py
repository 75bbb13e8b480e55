"""Messages out of bytes: the same however they are cut."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_websocket import BINARY, CONT, PING, TEXT, frame

from gateway_edge.websocket.framing import frame_binary, frame_close, frame_pong, frame_text
from gateway_edge.websocket.pace import Pace
from gateway_edge.websocket.reading import MessageReader, PeerError, Ping

MOST = 1 << 20


@st.composite
def messages(draw: Any) -> tuple[str | bytes, bytes]:
    """A message, and the frames that a client might send it in."""
    message = draw(st.one_of(st.text("aé水😀\0", max_size=300), st.binary(max_size=300)))
    payload = message.encode() if isinstance(message, str) else message
    mask = draw(st.binary(min_size=4, max_size=4))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    parts = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    opcodes = [TEXT if isinstance(message, str) else BINARY, *[CONT] * (len(parts) - 1)]
    bits = [*[0] * (len(parts) - 1), 0x80]
    return message, b"".join(
        frame(opcode, part, bits=bit, mask=mask) for opcode, part, bit in zip(opcodes, parts, bits, strict=True)
    )


def read(reader: MessageReader) -> list[Any]:
    return list(iter(reader.next, None))


@given(st.lists(messages(), max_size=6), st.lists(st.integers(1, 200), min_size=1, max_size=50))
def test_messages_are_the_same_however_their_bytes_come(
    sent: list[tuple[str | bytes, bytes]], sizes: list[int]
) -> None:
    data = b"".join(frames for _, frames in sent)
    reader, received, at, turn = MessageReader(MOST), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        reader.feed(data[at : at + size])
        received += read(reader)
        at, turn = at + size, turn + 1
    assert received == [message for message, _ in sent]
    assert reader.is_between


@given(st.binary(max_size=400))
def test_any_bytes_are_messages_or_one_fault(data: bytes) -> None:
    """And never more than was sent."""
    reader = MessageReader(256)
    reader.feed(data)
    code, size = 0, 0
    try:
        size = sum(len(event) for event in iter(reader.next, None) if isinstance(event, str | bytes))
    except PeerError as error:
        code = error.code
    assert code in {0, 1002, 1007, 1009}
    assert size <= len(data)


def test_a_size_is_refused_before_its_bytes_come() -> None:
    reader = MessageReader(MOST)
    reader.feed(frame(BINARY, b"x" * (MOST + 1))[:14])
    with pytest.raises(PeerError, match="1048576 bytes"):
        reader.next()


def test_a_ping_inside_a_message_counts_for_no_size() -> None:
    reader = MessageReader(8)
    reader.feed(frame(TEXT, b"12345678", bits=0) + frame(PING, b"x" * 100) + frame(CONT))
    assert read(reader) == [Ping(b"x" * 100), "12345678"]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_servers_frames_say_their_size_and_are_not_masked(size: int) -> None:
    payload = b"x" * size
    assert frame_text(payload) == frame(TEXT, payload, mask=None)
    assert frame_binary(payload) == frame(BINARY, payload, mask=None)


def test_control_frames_hold_what_fits() -> None:
    assert frame_close(0) == b"\x88\x00"
    assert frame_close(1000, "bye") == b"\x88\x05\x03\xe8bye"
    assert len(frame_close(1000, "x" * 500)) == 2 + 125
    assert frame_pong(b"?") == b"\x8a\x01?"


@given(st.integers(1, 50), st.lists(st.floats(0, 0.5), max_size=300))
def test_no_second_holds_more_than_twice_the_rate(rate: int, pauses: list[float]) -> None:
    """As many at once, and as many again while they come back."""
    pace, now, allowed = Pace(rate), 100.0, []
    for pause in pauses:
        now += pause
        if pace.allows(now):
            allowed.append(now)
    for start in allowed:
        assert sum(start <= at < start + 1 for at in allowed) <= 2 * rate


def test_a_burst_is_the_rate_and_no_more() -> None:
    pace = Pace(10)
    assert [pace.allows(5.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert pace.allows(5.1001)
