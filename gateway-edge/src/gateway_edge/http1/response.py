"""The head of a response as bytes (RFC 9112, section 4; RFC 9110, sections 6.6.1 and 8.6)."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_CLIENT_CLOSED = "HTTP/1.1 499 Client Closed Request\r\n"

_BREAKS = str.maketrans("\r\n\0", "   ")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class DateLine:
    """The `date` header of this second, written once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def __call__(self) -> str:
        """The line, with its end."""
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, f"date: {formatdate(second, usegmt=True)}\r\n"
        return self._line


write_date = DateLine()


def write_head(status: int, headers: Mapping[str, str], *, framing: str, keeps_alive: bool) -> bytes:
    """Status line and headers. `framing` is the line that says where the body ends, or nothing when that is the
    connection's end."""
    lines = write_lines(headers)
    start = _STATUS_LINES.get(status, _CLIENT_CLOSED)
    end = "\r\n" if keeps_alive else "connection: close\r\n\r\n"
    return f"{start}{lines}{write_date()}{framing}{end}".encode("utf-8", "surrogateescape")


def write_lines(headers: Mapping[str, str]) -> str:
    """A line for each header. What would end a header's own line becomes a space (RFC 9110, section 5.5)."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        lines = "".join([f"{name}: {value.translate(_BREAKS)}\r\n" for name, value in headers.items()])
    return lines


def write_length(size: int) -> str:
    """The framing of a body of `size` bytes."""
    return f"content-length: {size}\r\n"


def write_chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112, section 7.1). `data` is not empty: that would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
