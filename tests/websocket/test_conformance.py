"""What RFC 6455 asks of a server, case by case over a raw socket: in the order of Autobahn's categories, which needs a Python of its own."""

from collections.abc import AsyncIterator

import pytest
from raw_websocket import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    Frame,
    RawClient,
    close_payload,
    connected,
    frame,
)
from socket_stage import Stage

BOUND = 1 << 20  # bytes of a message
DONE = frame(CLOSE, close_payload(1000))
UNHURRIED = {"edge": {"websocket": {"max_frame_size": BOUND, "max_messages_per_second": 10**6}}}
WORD = "κόσμε".encode()
LONG = b"*" * 70_000


@pytest.fixture
async def client() -> AsyncIterator[RawClient]:
    async with Stage(UNHURRIED).listening() as port, connected(port) as client:
        yield client


def closed(code: int) -> tuple[int, bytes]:
    return (CLOSE, close_payload(code))


def text(payload: bytes) -> tuple[int, bytes]:
    return (TEXT, payload)


def binary(payload: bytes) -> tuple[int, bytes]:
    return (BINARY, payload)


ECHOED = {  # what is sent, and what comes back before the close frame that answers `DONE`
    # 1: framing
    "empty text": (frame(TEXT), [text(b"")]),
    "text of 125 bytes": (frame(TEXT, b"a" * 125), [text(b"a" * 125)]),
    "text of 126 bytes": (frame(TEXT, b"a" * 126), [text(b"a" * 126)]),
    "text of 65535 bytes": (frame(TEXT, b"a" * 65_535), [text(b"a" * 65_535)]),
    "text of 65536 bytes": (frame(TEXT, b"a" * 65_536), [text(b"a" * 65_536)]),
    "empty binary": (frame(BINARY), [binary(b"")]),
    "binary of 65536 bytes": (frame(BINARY, b"\xfe" * 65_536), [binary(b"\xfe" * 65_536)]),
    "a message as large as it may be": (frame(BINARY, b"x" * BOUND), [binary(b"x" * BOUND)]),
    "a mask of zeros": (frame(TEXT, b"plain", mask=b"\0\0\0\0"), [text(b"plain")]),
    # 2: pings and pongs
    "ping": (frame(PING), [(PONG, b"")]),
    "ping with data": (frame(PING, b"\0\xff\xfe"), [(PONG, b"\0\xff\xfe")]),
    "ping of 125 bytes": (frame(PING, b"p" * 125), [(PONG, b"p" * 125)]),
    "pong nobody asked for": (frame(PONG, b"hello") + frame(PING, b"?"), [(PONG, b"?")]),
    "ten pings": (b"".join(frame(PING, b"%d" % n) for n in range(10)), [(PONG, b"%d" % n) for n in range(10)]),
    # 5: fragments
    "text in two": (frame(TEXT, b"ab", bits=0) + frame(CONT, b"cd"), [text(b"abcd")]),
    "binary in three": (
        frame(BINARY, b"a", bits=0) + frame(CONT, b"b", bits=0) + frame(CONT, b"c"),
        [binary(b"abc")],
    ),
    "empty fragments": (frame(TEXT, bits=0) + frame(CONT, bits=0) + frame(CONT), [text(b"")]),
    "a ping between fragments": (
        frame(TEXT, b"ab", bits=0) + frame(PING, b"!") + frame(CONT, b"cd"),
        [(PONG, b"!"), text(b"abcd")],
    ),
    "two fragmented messages": (
        2 * (frame(TEXT, b"a", bits=0) + frame(CONT, b"b")),
        [text(b"ab"), text(b"ab")],
    ),
    # 6: UTF-8
    "letters of several bytes": (frame(TEXT, WORD), [text(WORD)]),
    "a letter cut by fragments": (frame(TEXT, WORD[:3], bits=0) + frame(CONT, WORD[3:]), [text(WORD)]),
    "a fragment for each byte": (
        frame(TEXT, WORD[:1], bits=0)
        + b"".join(frame(CONT, WORD[at : at + 1], bits=0) for at in range(1, len(WORD)))
        + frame(CONT),
        [text(WORD)],
    ),
    "the last code point": (frame(TEXT, b"\xf4\x8f\xbf\xbf"), [text(b"\xf4\x8f\xbf\xbf")]),
    "a noncharacter": (frame(TEXT, b"\xef\xbf\xbf"), [text(b"\xef\xbf\xbf")]),
    "a NUL": (frame(TEXT, b"a\0b"), [text(b"a\0b")]),
    "binary that is no UTF-8": (frame(BINARY, b"\xff\xfe"), [binary(b"\xff\xfe")]),
    # 9, 10: much
    "many fragments": (
        frame(BINARY, bits=0) + frame(CONT, b"x" * 64, bits=0) * 2_000 + frame(CONT),
        [binary(b"x" * 128_000)],
    ),
    "many messages": (frame(TEXT, b"m") * 500, [text(b"m")] * 500),
    "long after short": (
        frame(TEXT, b"s") + frame(TEXT, LONG) + frame(TEXT, b"s"),
        [text(b"s"), text(LONG), text(b"s")],
    ),
}


@pytest.mark.parametrize("is_chopped", [False, True], ids=["at once", "in pieces"])
@pytest.mark.parametrize("case", ECHOED)
async def test_what_is_well_formed_comes_back(client: RawClient, case: str, *, is_chopped: bool) -> None:
    sent, expected = ECHOED[case]
    data = sent + DONE
    if is_chopped:
        for start in range(0, len(data), step := max(1, len(data) // 50)):
            client.send(data[start : start + step])
            await client.flush()
    else:
        client.send(data)
    received = [(opcode, payload) for opcode, payload, _ in await client.receive_all()]
    assert received == [*expected, closed(1000)]


REFUSED = {  # what is sent, and the code of the close frame that comes back
    # 1, 9: framing and size
    "a frame without a mask": (frame(TEXT, b"hi", mask=None), 1002),
    "a message that is too large": (frame(BINARY, b"x" * (BOUND + 1)), 1009),
    "a size that would be": (frame(BINARY, b"")[:1] + b"\xff" + (1 << 62).to_bytes(8, "big") + b"mask", 1009),
    "a size beyond 63 bits": (frame(BINARY, b"")[:1] + b"\xff" + b"\xff" * 8 + b"mask", 1009),
    "fragments that are too large together": (frame(BINARY, b"x" * BOUND, bits=0) + frame(CONT, b"x"), 1009),
    # 3: reserved bits
    **{
        f"reserved bits {bits:#x} on opcode {opcode}": (frame(opcode, b"", bits=FIN | bits), 1002)
        for bits in (RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3)
        for opcode in (TEXT, BINARY, PING, CLOSE)
    },
    # 4: opcodes
    **{f"opcode {opcode}": (frame(opcode, b"?"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    # 2, 5: control frames and fragments
    "a ping of 126 bytes": (frame(PING, b"p" * 126), 1002),
    "a ping in fragments": (frame(PING, b"p", bits=0) + frame(CONT, b"p"), 1002),
    "a continuation of nothing": (frame(CONT, b"c"), 1002),
    "a message inside another": (frame(TEXT, b"a", bits=0) + frame(TEXT, b"b"), 1002),
    "fragments that go on behind the last": (frame(TEXT, b"a", bits=0) + frame(CONT) + frame(CONT, b"b"), 1002),
    # 6: UTF-8
    "an overlong character": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "beyond the last code point": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "a character that is not whole": (frame(TEXT, WORD[:-1]), 1007),
    "bad text in a fragment that is not the last": (frame(TEXT, b"\xce\xba\xed\xa0\x80", bits=0), 1007),
    "a fragmented character that is not whole": (frame(TEXT, WORD[:3], bits=0) + frame(CONT), 1007),
    # 7: close frames
    "a close frame of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a close frame of 126 bytes": (frame(CLOSE, close_payload(1000, b"r" * 124)), 1002),
    "a reason that is no UTF-8": (frame(CLOSE, close_payload(1000, b"\xce\xba\xed\xa0\x80")), 1007),
    **{
        f"close code {code}": (frame(CLOSE, close_payload(code)), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_not_ends_the_connection_with_the_right_code(client: RawClient, case: str) -> None:
    """At once, and nothing that comes behind it is answered."""
    sent, code = REFUSED[case]
    client.send(sent + frame(TEXT, b"too late") + frame(PING))
    *before, last = await client.receive_all()
    assert before in ([], [Frame(TEXT, b"a")])
    assert (last.opcode, int.from_bytes(last.payload[:2], "big")) == (CLOSE, code)


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999]
)
async def test_a_close_frame_is_answered_with_its_code(client: RawClient, code: int) -> None:
    client.send(frame(CLOSE, close_payload(code, b"r" * 123)) + frame(TEXT, b"too late"))
    assert await client.receive_all() == [Frame(CLOSE, close_payload(code))]


async def test_a_close_frame_without_a_code_is_answered_without_one(client: RawClient) -> None:
    client.send(frame(CLOSE))
    assert await client.receive_all() == [Frame(CLOSE, b"")]


async def test_what_came_before_a_fault_is_answered(client: RawClient) -> None:
    client.send(frame(TEXT, b"good") + frame(3))
    first, last = await client.receive_all()
    assert (first, last.opcode) == (Frame(TEXT, b"good"), CLOSE)
