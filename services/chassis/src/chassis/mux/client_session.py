"""The caller's end of a session: calls out, answers back. No I/O: a pipe carries its batches."""

import asyncio
from collections.abc import Callable

from google.protobuf.message import DecodeError

from chassis.errors import Reason, RunestoneError
from chassis.metadata import Metadata
from chassis.mux.client_call import ClientCall
from chassis.mux.frames import write_cancel
from chassis.mux.outbox import Outbox
from runestone.mux.v1.mux_pb2 import SessionResponse


class ClientSession:
    """Running calls by number. `wake` is called when there is something to send; the pipe then asks `next_batch`.
    `spent` is set when no new call may begin, `idle` while none is running."""

    def __init__(self, wake: Callable[[], None], max_message: int, max_calls: int = 10_000) -> None:
        self._wake = wake
        self._max_calls = max_calls
        self._outbox = Outbox()
        self._calls: dict[int, ClientCall] = {}
        self._last = 0
        self.max_message = max_message
        self.loop = asyncio.get_running_loop()
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

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the pipe."""
        return self._outbox.size

    def begin(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> ClientCall:
        """Begins a call. Raises OVERLOADED at the session's bound, UNAVAILABLE when it takes no calls; neither was begun."""
        if not self.takes_calls:
            raise RunestoneError(Reason.UNAVAILABLE, "the session is over", may_have_begun=False)
        if len(self._calls) >= self._max_calls:
            raise RunestoneError(
                Reason.OVERLOADED, f"{self._max_calls} calls are running on one session", may_have_begun=False
            )
        self._last += 1
        if not self._calls:
            self.idle.clear()
        call = self._calls[self._last] = ClientCall(self, self._last)
        call.open(method, request, timeout, metadata)
        return call

    def send(self, call: int, frame: bytes) -> None:
        """Queues a frame for the next batch."""
        self._outbox.put(call, frame)
        self._wake()

    def next_batch(self) -> bytes | None:
        """The next batch as bytes; None when nothing is to be sent."""
        batch = self._outbox.take()
        for number, _ in batch:
            if (call := self._calls.get(number)) is not None:
                call.was_sent = True
        return b"".join([frame for _, frame in batch]) if batch else None

    def receive(self, batch: bytes) -> None:
        """Takes a batch from the callee. Never waits; frames of calls that are over are dropped. Raises INVALID_REQUEST
        when the callee breaks the rules: the session cannot go on."""
        try:
            frames = SessionResponse.FromString(batch).frames
        except DecodeError as error:
            raise RunestoneError(Reason.INVALID_REQUEST, "the callee sent what is no batch") from error
        for frame in frames:
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

    def forget(self, call: ClientCall) -> None:
        """Ends the bookkeeping of a call."""
        if self._calls.pop(call.number, None) is not None and not self._calls:
            self.idle.set()

    def withdraw(self, call: ClientCall) -> None:
        """Nobody waits for the call: what was not sent is dropped, what was is cancelled at the callee."""
        self._outbox.drop(call.number)
        if call.was_sent and self.is_open:
            self.send(call.number, write_cancel(call.number))

    def __repr__(self) -> str:
        state = "closed" if not self.is_open else "leaving" if self.is_leaving else "open"
        return f"ClientSession({state}, {self.running} running, {self._outbox.size} bytes to send)"
