"""The caller's end of a session: calls out, answers back. No I/O: a pipe carries its batches."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

import grpc

from chassis.errors import REASONS, Reason, RunestoneError, read_details
from chassis.mux.flow import OVERHEAD, PART, Inflow, Outflow, Piece
from chassis.mux.outbox import Outbox
from chassis.tracing import TRACEPARENT
from runestone.mux.v1.mux_pb2 import Cancel, Frame, Metadata, Open, Part, SessionRequest, SessionResponse, Status

Entries = Sequence[tuple[str, str | bytes]]

CODES_BY_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class ClientSession:
    """Running calls by number. `wake` is called when there is something to send; the pipe then asks `next_batch`.
    `spent` is set when no new call may begin, `idle` while none is running."""

    def __init__(self, wake: Callable[[], None], max_message: int, max_calls: int = 10_000) -> None:
        self._wake = wake
        self._max_message = max_message
        self._max_calls = max_calls
        self._outbox = Outbox()
        self._calls: dict[int, ClientCall] = {}
        self._last = 0
        self.is_open = True
        self.is_leaving = False
        self.spent = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def takes_calls(self) -> bool:
        """Whether a new call may begin here."""
        return self.is_open and not self.is_leaving

    @property
    def running(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._calls)

    def begin(self, method: str, request: bytes, timeout: float, metadata: Entries) -> "ClientCall":
        """Begins a call. Raises OVERLOADED at the session's bound, UNAVAILABLE when it takes no calls; neither was begun."""
        if not self.takes_calls:
            raise RunestoneError(Reason.UNAVAILABLE, "the session is over", may_have_begun=False)
        if len(self._calls) >= self._max_calls:
            raise RunestoneError(
                Reason.OVERLOADED, f"{self._max_calls} calls are running on one session", may_have_begun=False
            )
        self._last += 1
        call = ClientCall(self, self._last, self._max_message)
        self._calls[call.number] = call
        self.idle.clear()
        call.open(method, request, timeout, metadata)
        return call

    def send(self, frame: Frame, size: int) -> None:
        """Queues a frame for the next batch."""
        self._outbox.put(frame, size)
        self._wake()

    def next_batch(self) -> bytes | None:
        """The next batch as bytes; None when nothing is to be sent."""
        frames = self._outbox.take()
        for frame in frames:
            if frame.HasField("open") and (call := self._calls.get(frame.call)) is not None:
                call.was_sent = True
        return SessionRequest(frames=frames).SerializeToString() if frames else None

    def receive(self, batch: bytes) -> None:
        """Takes a batch from the callee. Never waits; frames of calls that are over are dropped."""
        for frame in SessionResponse.FromString(batch).frames:
            call = self._calls.get(frame.call)
            kind = frame.WhichOneof("kind")
            if kind == "goodbye":
                self.is_leaving = True
                self.spent.set()
            elif call is None:
                continue
            elif kind == "status":
                call.end(frame.status)
            elif kind == "part":
                call.take(frame.part)
            elif kind == "credit":
                call.add_credit(frame.credit)

    def fail(self, why: str) -> None:
        """The session broke: every running call ends with UNAVAILABLE, and knows whether it was ever sent."""
        self.is_open = False
        self.spent.set()
        for call in list(self._calls.values()):
            call.finish(RunestoneError(Reason.UNAVAILABLE, why, may_have_begun=call.was_sent))

    def forget(self, call: "ClientCall") -> None:
        """Ends the bookkeeping of a call."""
        if self._calls.pop(call.number, None) is not None and not self._calls:
            self.idle.set()

    def withdraw(self, call: "ClientCall") -> None:
        """Nobody waits for the call: what was not sent is dropped, what was is cancelled at the callee."""
        self._outbox.drop(call.number)
        if call.was_sent and self.is_open:
            self.send(Frame(call=call.number, cancel=Cancel()), OVERHEAD)

    def __repr__(self) -> str:
        state = "closed" if not self.is_open else "leaving" if self.is_leaving else "open"
        return f"ClientSession({state}, {self.running} running, {self._outbox.size} bytes to send)"


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

    def __init__(self, session: ClientSession, number: int, max_message: int) -> None:
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
        _write_metadata(opening, metadata)
        self._outflow.spend(len(opening.request))
        self._session.send(frame, len(opening.request) + 200)
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
        return self._answers.popleft()

    async def answers(self) -> AsyncGenerator[bytes]:
        """The answers of a streaming call. Closing it early, or cancelling who waits, cancels the call."""
        try:
            while True:
                while self._answers:
                    message = self._answers.popleft()
                    yield message
                    self._give_credit(message)
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
        if status.code == 0:
            if status.HasField("message"):
                self._answers.append(status.message)
            self.finish(None)
        else:
            self.finish(_read_error(status))

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

    def _give_credit(self, consumed: bytes) -> None:
        self._inflow.consume(consumed)
        if not self._is_over and (credit := self._inflow.credit_due()):
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


def _write_metadata(opening: Open, metadata: Entries) -> None:
    for key, value in metadata:
        if key == TRACEPARENT and isinstance(value, str):
            opening.traceparent = value
        else:
            opening.metadata.append(Metadata(key=key, value=value.encode() if isinstance(value, str) else value))


def _read_error(status: Status) -> RunestoneError:
    code = CODES_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    error = RunestoneError(
        REASONS.get(code, Reason.INTERNAL), status.details or code.name, may_have_begun=not status.not_begun
    )
    read_details(error, status.status)
    return error
