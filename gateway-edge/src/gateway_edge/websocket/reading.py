"""Bytes of a client in, messages out (RFC 6455, sections 5 and 8.1). Nothing here knows about sockets.

Our own instead of `websockets.protocol.Protocol`, which takes twice the time for a message and eleven times the memory for a connection
(docs/adr/0022). What the library knows about masks and close codes it is asked for.
"""

import codecs
from typing import NamedTuple

from websockets.exceptions import ProtocolError
from websockets.frames import OP_BINARY, OP_CLOSE, OP_CONT, OP_PING, OP_PONG, OP_TEXT, Close, CloseCode
from websockets.speedups import apply_mask

from gateway_edge.websocket.deflate import Inflate, NotDeflatedError, TooLargeError
from gateway_edge.websocket.framing import COMPRESSED, FIN

RESERVED = 0x70
MASKED = 0x80
CONTROL = 0x08
LONGEST_CONTROL = 125
MOST_FRAGMENTS = 1 << 17  # of one message; more is a way to keep the process busy without ever saying anything
WORTH_MOVING = 64 << 10  # bytes that were read, after which the buffer is moved up

_utf8 = codecs.getincrementaldecoder("utf-8")


class PeerError(Exception):
    """What the peer may not do: the connection ends with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Ping(NamedTuple):
    """To be answered with the same data."""

    data: bytes


class Pong(NamedTuple):
    """The peer is there."""

    data: bytes


class Closing(NamedTuple):
    """The peer's close frame; 1005 where it gives no code."""

    code: int
    reason: str


Event = str | bytes | Ping | Pong | Closing


class MessageReader:
    """Reads one connection's messages of at most `most` bytes each, inflated. `inflate` is there where compression was agreed on."""

    __slots__ = ("_at", "_buffer", "_decoder", "_fragments", "_inflate", "_is_deflated", "_most", "_opcode", "_parts")

    def __init__(self, most: int, inflate: Inflate | None = None) -> None:
        self._most = most
        self._inflate = inflate
        self._buffer: bytes | bytearray = b""
        self._at = 0
        self._opcode = 0  # of the message whose fragments come
        self._is_deflated = False
        self._parts: bytearray | None = None
        self._fragments = 0
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes) -> None:
        """Takes what has come from the socket."""
        if self._at == len(self._buffer):
            self._buffer, self._at = data, 0
            return
        if not isinstance(self._buffer, bytearray):
            self._buffer, self._at = bytearray(memoryview(self._buffer)[self._at :]), 0
        elif self._at > WORTH_MOVING:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    @property
    def is_between(self) -> bool:
        """Whether it is between two messages, with nothing read ahead."""
        return self._parts is None and self._at == len(self._buffer)

    def next(self) -> Event | None:
        """The next message, ping, pong or close; None until more has come. Raises PeerError, after which nothing more is to be read."""
        while True:
            found = self._next_frame()
            if found is None:
                return None
            first, payload = found
            opcode = first & 0x0F
            event = self._control(opcode, payload) if opcode & CONTROL else self._data(first, opcode, payload)
            if event is not None:
                return event

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer, at = self._buffer, self._at
        here = len(buffer) - at
        if here < 2:
            return None
        first, second = buffer[at], buffer[at + 1]
        size, head = second & 0x7F, 6
        self._check(first, second, size)
        if size > LONGEST_CONTROL:
            head = 8 if size == 126 else 14
            if here < head - 4:
                return None
            size = int.from_bytes(buffer[at + 2 : at + head - 4], "big")
        if not first & CONTROL:
            self._check_size(size)
        end = at + head + size
        if len(buffer) < end:
            return None
        start = at + head
        payload = apply_mask(bytes(buffer[start:end]), bytes(buffer[start - 4 : start])) if size else b""
        if end == len(buffer):
            self._buffer, self._at = b"", 0
        else:
            self._at = end
        return first, payload

    def _check(self, first: int, second: int, size: int) -> None:
        opcode = first & 0x0F
        if not second & MASKED:
            raise PeerError(CloseCode.PROTOCOL_ERROR, "a client's frames are masked")
        if opcode & CONTROL:
            if opcode > OP_PONG or first & RESERVED or not first & FIN or size > LONGEST_CONTROL:
                raise PeerError(CloseCode.PROTOCOL_ERROR, "a control frame that is none")
            return
        if opcode > OP_BINARY:
            raise PeerError(CloseCode.PROTOCOL_ERROR, f"opcode {opcode} is reserved")
        if first & RESERVED and (first & RESERVED != COMPRESSED or self._inflate is None or opcode == OP_CONT):
            raise PeerError(CloseCode.PROTOCOL_ERROR, "a reserved bit is set")
        if (opcode == OP_CONT) != (self._parts is not None):
            text = "a message begins inside another" if opcode else "there is no message to continue"
            raise PeerError(CloseCode.PROTOCOL_ERROR, text)

    def _check_size(self, size: int) -> None:
        """As soon as a size is announced: what is too large is not waited for."""
        before = len(self._parts) if self._parts is not None else 0
        if before + size > self._most:
            raise PeerError(CloseCode.MESSAGE_TOO_BIG, f"a message may have {self._most} bytes")

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode == OP_PING:
            return Ping(payload)
        if opcode == OP_PONG:
            return Pong(payload)
        assert opcode == OP_CLOSE
        try:
            close = Close.parse(payload)
        except ProtocolError as error:
            raise PeerError(CloseCode.PROTOCOL_ERROR, str(error)) from error
        except UnicodeDecodeError as error:
            raise PeerError(CloseCode.INVALID_DATA, "the close frame's reason is not UTF-8") from error
        return Closing(int(close.code), close.reason)

    def _data(self, first: int, opcode: int, payload: bytes) -> Event | None:
        is_last = bool(first & FIN)
        if is_last and self._parts is None:
            return self._finish(opcode, payload, is_deflated=bool(first & COMPRESSED))
        if self._parts is None:
            self._begin(opcode, is_deflated=bool(first & COMPRESSED))
        self._take(payload, is_last=is_last)
        if not is_last:
            return None
        parts, self._parts, self._decoder = self._parts, None, None
        assert parts is not None
        return self._finish(self._opcode, bytes(parts), is_deflated=self._is_deflated)

    def _begin(self, opcode: int, *, is_deflated: bool) -> None:
        self._opcode, self._is_deflated, self._parts, self._fragments = opcode, is_deflated, bytearray(), 0
        self._decoder = _utf8() if opcode == OP_TEXT and not is_deflated else None

    def _take(self, payload: bytes, *, is_last: bool) -> None:
        assert self._parts is not None
        self._fragments += 1
        if self._fragments > MOST_FRAGMENTS:
            raise PeerError(CloseCode.MESSAGE_TOO_BIG, f"a message may have {MOST_FRAGMENTS} fragments")
        if self._decoder is not None:
            try:
                self._decoder.decode(payload, is_last)
            except UnicodeDecodeError as error:
                raise _no_utf8() from error
        self._parts += payload

    def _finish(self, opcode: int, payload: bytes, *, is_deflated: bool) -> str | bytes:
        if is_deflated:
            assert self._inflate is not None
            try:
                payload = self._inflate(payload, self._most)
            except TooLargeError as error:
                raise PeerError(CloseCode.MESSAGE_TOO_BIG, f"a message may have {self._most} bytes") from error
            except NotDeflatedError as error:
                raise PeerError(CloseCode.INVALID_DATA, "the message cannot be inflated") from error
        if opcode == OP_BINARY:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError as error:
            raise _no_utf8() from error


def _no_utf8() -> PeerError:
    return PeerError(CloseCode.INVALID_DATA, "a text message is not UTF-8")
