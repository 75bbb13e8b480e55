"""One call at the caller's end: its request out, its answers back, and how it ended."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from typing import Protocol, Self

import grpc
from google.protobuf.message import DecodeError

from chassis.errors import REASONS, Reason, RunestoneError, read_details
from chassis.metadata import Metadata
from chassis.mux.flow import PART, Inflow, Outflow, Piece
from chassis.mux.frames import write_credit, write_open, write_part
from runestone.mux.v1.mux_pb2 import Part, Status

CODES_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class Session(Protocol):
    """What a call needs of the session that it belongs to."""

    loop: asyncio.AbstractEventLoop
    max_message: int

    def send(self, call: int, frame: bytes) -> None:
        """Queues a frame for the next batch."""

    def withdraw(self, call: "ClientCall") -> None:
        """Nobody waits for the call: what was not sent is dropped, what was is cancelled at the callee."""

    def forget(self, call: "ClientCall") -> None:
        """Ends the bookkeeping of a call."""


class ClientCall:
    """One call: its answers as they come, then how it ended."""

    __slots__ = (
        "_answers",
        "_error",
        "_inflow",
        "_is_over",
        "_is_reading",
        "_outflow",
        "_session",
        "_timer",
        "_waiter",
        "number",
        "was_sent",
    )

    def __init__(self, session: Session, number: int) -> None:
        self.number = number
        self.was_sent = False
        self._session = session
        self._outflow: Outflow | None = None  # made for a request in parts
        self._inflow: Inflow | None = None  # made for answers in parts
        self._answers: deque[bytes] = deque()
        self._is_reading = False  # an answer was handed out that is not credited yet
        self._is_over = False
        self._error: RunestoneError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def open(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> None:
        """Sends the request: its first part with the open, the rest as credit allows."""
        first, more = request[:PART], len(request) > PART
        self._session.send(self.number, write_open(self.number, method, timeout, metadata, first, more=more))
        if more:
            self._outflow = Outflow()
            self._outflow.spend(PART)
            self._send_pieces(self._outflow.offer(request[PART:]))
        self._timer = self._session.loop.call_later(timeout, self._expire)

    async def answer(self) -> bytes:
        """The one answer of a unary call. Raises how it ended otherwise; cancelling cancels the call."""
        try:
            while not self._is_over:
                await self._news()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self._error is not None:
            raise self._error
        if not self._answers:
            raise RunestoneError(Reason.INTERNAL, "the callee ended the call well, but without an answer")
        return self._answers.popleft()

    def answers(self) -> Self:
        """The answers of a streaming call, to iterate over; closing it early cancels the call."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next answer. Raises how the call ended; cancelling cancels it. Who asks for the next answer is done with the one
        before, and gives credit for it."""
        if self._is_reading:
            self._give_credit()
        try:
            while not self._answers and not self._is_over:
                await self._news()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self._answers:
            self._is_reading = True
            return self._answers.popleft()
        raise self._error or StopAsyncIteration

    async def aclose(self) -> None:
        """Nobody reads on: cancels the call."""
        self.cancel()

    def take(self, part: Part) -> None:
        """A part arrived."""
        if self._inflow is None:
            self._inflow = Inflow(self._session.max_message)
        try:
            message = self._inflow.take(part.data, more=part.more)
        except RunestoneError as error:
            self._session.withdraw(self)
            self.finish(error)
            return
        if message is not None:
            self._answers.append(message)
            self._wake()
        else:
            self._send_credit(self._inflow.credit_due())

    def end(self, status: Status) -> None:
        """The callee ended the call."""
        if status.code:
            self.finish(_read_error(status))
        elif self._inflow is not None and self._inflow.is_amid_message:
            self.finish(RunestoneError(Reason.INTERNAL, "the callee ended the call amid a message"))
        else:
            if status.HasField("message"):
                self._answers.append(status.message)
            self.finish(None)

    def finish(self, error: RunestoneError | None) -> None:
        """The call is over."""
        if not self._is_over:
            self._is_over, self._error = True, error
            if self._timer is not None:
                self._timer.cancel()
            self._session.forget(self)
            self._wake()

    def cancel(self) -> None:
        """Nobody waits for the call; harmless when it is over."""
        if not self._is_over:
            self._session.withdraw(self)
            self.finish(RunestoneError(Reason.CANCELLED, "the caller went away"))

    def add_credit(self, credit: int) -> None:
        """More of a large request may go. Raises INVALID_REQUEST when it is more than was spent."""
        self._send_pieces((self._outflow or Outflow()).add_credit(credit))

    def _send_pieces(self, pieces: Iterable[Piece]) -> None:
        for data, more in pieces:
            self._session.send(self.number, write_part(self.number, data, more=more))

    def _give_credit(self) -> None:
        self._is_reading = False
        if self._inflow is not None and not self._is_over:
            self._inflow.consume()
            self._send_credit(self._inflow.credit_due())

    def _send_credit(self, credit: int) -> None:
        if credit:
            self._session.send(self.number, write_credit(self.number, credit))

    def _expire(self) -> None:
        self._session.withdraw(self)
        self.finish(RunestoneError(Reason.DEADLINE_EXCEEDED, "the call's deadline passed"))

    def _news(self) -> "asyncio.Future[None]":
        """Done when there is something new: an answer, or the end."""
        self._waiter = self._session.loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _read_error(status: Status) -> RunestoneError:
    code = CODES_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    error = RunestoneError(
        REASONS.get(code, Reason.INTERNAL), status.details or code.name, may_have_begun=not status.not_begun
    )
    with contextlib.suppress(DecodeError, ValueError):  # details that cannot be read leave the code's meaning as it is
        read_details(error, status.status)
    return error
