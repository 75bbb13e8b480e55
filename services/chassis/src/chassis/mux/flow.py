"""Flow control of one direction of one call: credits in bytes, messages in parts. Pure.

A consumer that stops reading stops its producer, and nobody else. A part may be sent while there is credit, so a producer
is ahead of its consumer by the window and one part at most, and by the one message that the consumer waits for.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chassis.errors import Reason, RunestoneError

WINDOW = 256 << 10  # bytes that may be on their way
PART = 64 << 10  # the largest part of a message
OVERHEAD = 16  # what a part costs beside its bytes, so that empty messages cost something
AHEAD = WINDOW + PART + OVERHEAD  # how far a sender may be ahead of its credit


class Piece(NamedTuple):
    """A message, or a part of one that goes on."""

    data: bytes
    more: bool


class Outflow:
    """What may be sent, and what has to wait for credit."""

    __slots__ = ("_credit", "_waiting")

    def __init__(self) -> None:
        self._credit = WINDOW
        self._waiting: deque[memoryview] = deque()

    @property
    def is_blocked(self) -> bool:
        """Whether something waits for credit."""
        return bool(self._waiting)

    def offer(self, message: bytes) -> Iterable[Piece]:
        """The pieces that may go now that `message` is to be sent; the rest waits."""
        if not self._waiting and self._credit > 0 and len(message) <= PART:  # nearly always
            self._credit -= len(message) + OVERHEAD
            return (Piece(message, more=False),)
        self._waiting.append(memoryview(message))
        return self._release()

    def spend(self, size: int) -> None:
        """Accounts for bytes that went another way (the first part of a request goes with its open)."""
        self._credit -= size + OVERHEAD

    def add_credit(self, size: int) -> Iterable[Piece]:
        """The pieces that may go now that the other side has consumed `size` bytes. Raises INVALID_REQUEST when that is
        more than was sent: it would lift the bound."""
        self._credit += size
        if self._credit > WINDOW:
            raise RunestoneError(Reason.INVALID_REQUEST, "the other side gave credit for more than it was sent")
        return self._release()

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

    __slots__ = ("_ahead", "_costs", "_max_message", "_owed", "_parts", "_size", "_unowed")

    def __init__(self, max_message: int) -> None:
        self._max_message = max_message
        self._parts: list[bytes] = []
        self._size = 0  # of the unfinished message
        self._unowed = 0  # what its parts cost, as far as they are not owed yet
        self._costs: deque[int] = deque()  # the same of each whole message that is not consumed
        self._owed = 0
        self._ahead = 0

    @property
    def is_amid_message(self) -> bool:
        """Whether parts of a message have come and its last has not."""
        return bool(self._parts)

    def take(self, data: bytes, *, more: bool) -> bytes | None:
        """The message that `data` completes; None while it goes on.

        A message is owed when it is consumed. Only parts of the one that the consumer waits for are owed at once, or a
        message above the window could never be completed. Raises OVERLOADED when a message grows too large, or when the sender
        ignores its credit or cuts parts too small: memory is bounded whatever the other side does.
        """
        cost = len(data) + OVERHEAD
        self._size += len(data)
        self._ahead += cost
        self._unowed += cost
        if self._size > self._max_message or self._ahead > AHEAD or (more and len(data) != PART):
            raise self._refusal()
        if more:
            self._parts.append(data)
            self._owe_what_is_awaited()
            return None
        self._costs.append(self._unowed)
        self._size = self._unowed = 0
        if not self._parts:
            return data
        self._parts.append(data)
        message = b"".join(self._parts)
        self._parts.clear()
        return message

    def consume(self) -> None:
        """Notes that the consumer is done with the oldest message."""
        self._owed += self._costs.popleft()
        self._owe_what_is_awaited()

    def credit_due(self) -> int:
        """The credit to give now; 0 until it is worth a frame."""
        if self._owed < WINDOW // 4:
            return 0
        owed, self._owed = self._owed, 0
        self._ahead -= owed
        return owed

    def _owe_what_is_awaited(self) -> None:
        if not self._costs:
            self._owed += self._unowed
            self._unowed = 0

    def _refusal(self) -> RunestoneError:
        if self._size > self._max_message:
            return RunestoneError(Reason.OVERLOADED, f"a message is larger than {self._max_message} bytes")
        if self._ahead > AHEAD:
            return RunestoneError(Reason.OVERLOADED, "the other side sends more than it has credit for")
        return RunestoneError(Reason.OVERLOADED, f"a part that is not the last has other than {PART} bytes")
