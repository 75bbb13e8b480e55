"""Flow control of one direction of one call: credits in bytes, messages in parts. Pure.

A consumer that stops reading stops its producer, and nobody else. A part may be sent while there is credit, so a producer
is ahead of its consumer by the window and one part at most.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from chassis.errors import Reason, RunestoneError

WINDOW = 256 << 10  # bytes that may be on their way
PART = 64 << 10  # the largest part of a message
OVERHEAD = 16  # what a part costs beside its bytes, so that empty messages cost something


class Piece(NamedTuple):
    """A message, or a part of one that goes on."""

    data: bytes | memoryview
    more: bool


class Outflow:
    """What may be sent, and what has to wait for credit."""

    __slots__ = ("_credit", "_waiting")

    def __init__(self, credit: int = WINDOW) -> None:
        self._credit = credit
        self._waiting: deque[memoryview] = deque()

    @property
    def is_blocked(self) -> bool:
        """Whether something waits for credit."""
        return bool(self._waiting)

    def offer(self, message: bytes) -> Iterator[Piece]:
        """The pieces that may go now that `message` is to be sent; the rest waits."""
        if not self._waiting and self._credit > 0 and len(message) <= PART:  # nearly always
            self._credit -= len(message) + OVERHEAD
            yield Piece(message, more=False)
            return
        self._waiting.append(memoryview(message))
        yield from self._release()

    def spend(self, size: int) -> None:
        """Accounts for bytes that went another way (the first part of a request goes with its open)."""
        self._credit -= size + OVERHEAD

    def add_credit(self, size: int) -> Iterator[Piece]:
        """The pieces that may go now that the other side has consumed `size` bytes."""
        self._credit += size
        yield from self._release()

    def _release(self) -> Iterator[Piece]:
        while self._waiting and self._credit > 0:
            message = self._waiting[0]
            data, rest = message[:PART], message[PART:]
            self._credit -= len(data) + OVERHEAD
            if rest:
                self._waiting[0] = rest
            else:
                self._waiting.popleft()
            yield Piece(bytes(data), bool(rest))


class Inflow:
    """Parts into messages, and the credit that is owed for what was consumed."""

    __slots__ = ("_max_message", "_owed", "_parts", "_size")

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._parts: list[bytes] = []
        self._size = 0
        self._owed = 0

    def take(self, data: bytes, *, more: bool) -> bytes | None:
        """The message that `data` completes; None while it goes on. Raises OVERLOADED when it grows too large.

        Parts of an unfinished message are owed at once, or a message above the window could never be completed; the
        last part is owed when the message is `consume`d.
        """
        self._size += len(data)
        if self._size > self._max_message:
            raise RunestoneError(Reason.OVERLOADED, f"a message is larger than {self._max_message} bytes")
        if more:
            self._parts.append(data)
            self._owed += len(data) + OVERHEAD
            return None
        self._size = 0
        if not self._parts:
            return data
        self._parts.append(data)
        message = b"".join(self._parts)
        self._parts.clear()
        return message

    def consume(self, message: bytes) -> None:
        """Notes that the consumer took `message`."""
        self._owed += (len(message) % PART or (PART if message else 0)) + OVERHEAD

    def credit_due(self) -> int:
        """The credit to give now; 0 until it is worth a frame."""
        if self._owed < WINDOW // 4:
            return 0
        owed, self._owed = self._owed, 0
        return owed
