"""A file of questions as JSON lines: a chat request a line, or `{"request": {...}}` around it. Read in steps, as it may be large."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import BinaryIO, NamedTuple

import msgspec

LONGEST = 64 << 20  # bytes of a line; no larger body is taken anywhere
STEP = 256 << 10  # bytes that are read before others have their turn, and the end of the line that they end in
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WRAPPER, OWN = "request", "messages"


class Line(NamedTuple):
    """A question, or what is wrong with its line. `end` is how many bytes of the file had been read with it."""

    number: int
    end: int
    body: bytes = b""
    fault: str = ""


async def read_in_steps(file: BinaryIO, longest: int = LONGEST) -> AsyncGenerator[Line, None]:
    """The lines of `file` that are not blank, read in threads."""
    lines = read_lines(file, longest)
    while step := await asyncio.to_thread(_take_step, lines):
        for line in step:
            yield line


def read_lines(file: BinaryIO, longest: int = LONGEST) -> Iterator[Line]:
    """The lines of `file` that are not blank. One above `longest` bytes is a bad one, and never in memory as a whole; so is
    the last, where the file cannot be read any further."""
    number = end = 0
    try:
        while text := file.readline(longest + 1):
            number += 1
            end += len(text)
            if len(text) > longest:
                end += _skip_line(file, text)
                yield Line(number, end, fault=f"is longer than {longest} bytes")
            elif text := text.removeprefix(BYTE_ORDER_MARK if number == 1 else b"").strip():
                yield _read_line(number, end, text)
    except OSError as error:
        yield Line(number + 1, end, fault=f"cannot be read: {error}")


def read_question(text: bytes) -> bytes:
    """The chat request in `text`, as it is spelled there. Raises ValueError, which says what is wrong."""
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is no JSON object: {error}") from error
    if WRAPPER not in members or OWN in members:
        return text
    wrapped = bytes(members[WRAPPER])
    if not wrapped.startswith(b"{"):
        raise ValueError(f"`{WRAPPER}` is no object")
    return wrapped


def _read_line(number: int, end: int, text: bytes) -> Line:
    try:
        return Line(number, end, body=read_question(text))
    except ValueError as error:
        return Line(number, end, fault=str(error))


def _skip_line(file: BinaryIO, text: bytes) -> int:
    """Reads on to the end of the line that `text` began; returns the bytes that were read."""
    skipped = 0
    while text and not text.endswith(b"\n"):
        text = file.readline(STEP)
        skipped += len(text)
    return skipped


def _take_step(lines: Iterator[Line]) -> list[Line]:
    step: list[Line] = []
    for line in lines:
        step.append(line)
        if line.end - step[0].end >= STEP:
            break
    return step
