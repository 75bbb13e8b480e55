"""One call at the caller's end: its request out, its answers back, and how it ended."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError

from chassis.errors import REASONS, Reason, RunestoneError, read_details
from chassis.mux.flow import OVERHEAD, PART, Inflow, Outflow, Piece
from chassis.tracing import TRACEPARENT
from runestone.mux.v1.mux_pb2 import Frame, Metadata, Open, Part, Status

Entries = Sequence[tuple[str, str | bytes]]

CODES_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class Session(Protocol):
    """What a call needs of the session that it belongs to."""

    def send(self, frame: Frame, size: int) -> None:
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
        "_outflow",
        "_session",
        "_timer",
        "_waiter",
        "number",
        "was_sent",
    )

    def __init__(self, session: Session, number: int, max_message: int) -> None:
        self.number = number
        self.was_sent = False
        self._session = session
        self._outflow = Outflow()
        self._inflow = Inflow(max_message)
        self._answers: deque[bytes] = deque()
        self._is_over = False
        self._error: RunestoneError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def open(self, method: str, request: bytes, timeout: float, metadata: Entries) -> None:
        """Sends the request: its first part with the open, the rest as credit allows."""
        frame = Frame(call=self.number)
        opening = frame.open
        opening.method, opening.timeout_us = method, int(timeout * 1e6)
        opening.request, opening.more = request[:PART], len(request) > PART
        size = _write_metadata(opening, metadata)
        self._outflow.spend(len(opening.request))
        self._session.send(frame, len(opening.request) + size + 200)
        if opening.more:
            self._send_pieces(self._outflow.offer(request[PART:]))
        self._timer = asyncio.get_running_loop().call_later(timeout, self._expire)

    async def answer(self) -> bytes:
        """The one answer of a unary call. Raises how it ended otherwise; cancelling cancels the call."""
        try:
            while not self._is_over:
                await self._wait()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self._error is not None:
            raise self._error
        if not self._answers:
            raise RunestoneError(Reason.INTERNAL, "the callee ended the call well, but without an answer")
        return self._answers.popleft()

    async def answers(self) -> AsyncGenerator[bytes]:
        """The answers of a streaming call. Closing it early, or cancelling who waits, cancels the call."""
        try:
            while True:
                while self._answers:
                    message = self._answers.popleft()
                    yield message
                    self._give_credit()
                if self._is_over:
                    break
                await self._wait()
            if self._error is not None:
                raise self._error
        finally:
            self.cancel()

    def take(self, part: Part) -> None:
        """A part arrived."""
        try:
            message = self._inflow.take(part.data, more=part.more)
        except RunestoneError as error:
            self._session.withdraw(self)
            self.finish(error)
            return
        if message is not None:
            self._answers.append(message)
            self._wake()
        elif credit := self._inflow.credit_due():
            self._session.send(Frame(call=self.number, credit=credit), OVERHEAD)

    def end(self, status: Status) -> None:
        """The callee ended the call."""
        if status.code:
            self.finish(_read_error(status))
        elif self._inflow.is_amid_message:
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
        """More of a large request may go."""
        self._send_pieces(self._outflow.add_credit(credit))

    def _send_pieces(self, pieces: Iterable[Piece]) -> None:
        for data, more in pieces:
            self._session.send(Frame(call=self.number, part=Part(data=bytes(data), more=more)), len(data) + OVERHEAD)

    def _give_credit(self) -> None:
        if self._is_over:
            return
        self._inflow.consume()
        if credit := self._inflow.credit_due():
            self._session.send(Frame(call=self.number, credit=credit), OVERHEAD)

    def _expire(self) -> None:
        self._session.withdraw(self)
        self.finish(RunestoneError(Reason.DEADLINE_EXCEEDED, "the call's deadline passed"))

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _write_metadata(opening: Open, metadata: Entries) -> int:
    """Writes `metadata`; returns about how many bytes it takes."""
    size = 0
    for key, value in metadata:
        if key == TRACEPARENT and isinstance(value, str):
            opening.traceparent = value
        else:
            entry = Metadata(key=key, value=value.encode() if isinstance(value, str) else value)
            opening.metadata.append(entry)
            size += len(key) + len(entry.value) + 8
    return size


def _read_error(status: Status) -> RunestoneError:
    code = CODES_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    error = RunestoneError(
        REASONS.get(code, Reason.INTERNAL), status.details or code.name, may_have_begun=not status.not_begun
    )
    with contextlib.suppress(DecodeError, ValueError):  # details that cannot be read leave the code's meaning as it is
        read_details(error, status.status)
    return error
