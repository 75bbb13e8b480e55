"""The callee's end of a session: calls in, each a task of its own, answers out. No I/O: a pipe carries its batches."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from chassis.metric_families import Count
from chassis.mux.frames import write_goodbye, write_status
from chassis.mux.outbox import Outbox
from chassis.mux.server_call import ServerCall, to_status
from runestone.mux.v1.mux_pb2 import Open, SessionRequest, Status

Handlers = Mapping[str, Any]


class ServerSession:
    """Running calls by number; `stalls` counts answers that waited for credit. `wake` is called when there is something to send; the pipe then asks `next_batch`."""

    def __init__(
        self,
        handlers: Handlers,
        wake: Callable[[], None],
        *,
        clock: Clock,
        log: Logger,
        max_message: int,
        max_calls: int = 10_000,
        stalls: Count | None = None,
    ) -> None:
        self.stalls = stalls or Count()
        self._handlers = handlers
        self._wake = wake
        self._max_calls = max_calls
        self._outbox = Outbox()
        self._calls: dict[int, ServerCall] = {}
        self._last = 0
        self._is_leaving = False
        self.clock = clock
        self.log = log
        self.max_message = max_message
        self.loop = asyncio.get_running_loop()
        self.idle = asyncio.Event()
        self.idle.set()

    def send(self, call: int, frame: bytes) -> None:
        """Queues a frame for the next batch."""
        self._outbox.put(call, frame)
        self._wake()

    def next_batch(self) -> bytes | None:
        """The next batch as bytes; None when nothing is to be sent."""
        batch = self._outbox.take()
        return b"".join([frame for _, frame in batch]) if batch else None

    def receive(self, batch: bytes) -> None:
        """Takes a batch from the caller. Never waits; frames of calls that are over are dropped. Raises INVALID_REQUEST
        when the caller breaks the rules: the session cannot go on."""
        try:
            frames = SessionRequest.FromString(batch).frames
        except DecodeError as error:
            raise RunestoneError(Reason.INVALID_REQUEST, "the caller sent what is no batch") from error
        for frame in frames:
            kind = frame.WhichOneof("kind")
            if kind == "open":
                self._open(frame.call, frame.open)
            elif (call := self._calls.get(frame.call)) is None:
                continue
            elif kind == "part":
                call.take(frame.part.data, more=frame.part.more)
            elif kind == "credit":
                call.add_credit(frame.credit)
            elif kind == "cancel":
                call.cancel()

    def say_goodbye(self) -> None:
        """Takes no new calls; running ones end."""
        self._is_leaving = True
        self.send(0, write_goodbye())

    async def close(self) -> None:
        """Cancels every call and waits for their ends. The callers learn of it by the end of what carried the session."""
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*(call.task for call in calls if call.task is not None), return_exceptions=True)

    def drop_frames(self, number: int) -> None:
        """Takes back what was not yet sent of a call that nobody waits for."""
        self._outbox.drop(number)

    def end(self, number: int, last: bytes | None) -> None:
        """Ends the bookkeeping of a call, and sends its last frame where somebody waits for that."""
        if self._calls.pop(number, None) is not None and not self._calls:
            self.idle.set()
        if last is not None:
            self.send(number, last)

    def _open(self, number: int, opening: Open) -> None:
        if number <= self._last:
            raise RunestoneError(Reason.INVALID_REQUEST, f"the caller used the number {number} again")
        self._last = number
        handler = self._handlers.get(opening.method)
        refusal = self._refusal(opening.method, handler)
        if refusal is not None:
            self.end(number, write_status(number, refusal))
            return
        if not self._calls:
            self.idle.clear()
        call = self._calls[number] = ServerCall(self, number, handler, opening)
        call.take(opening.request, more=opening.more)

    def _refusal(self, method: str, handler: Any) -> Status | None:
        if self._is_leaving:
            return to_status(grpc.StatusCode.UNAVAILABLE, "the service is stopping", not_begun=True)
        if handler is None or handler.request_streaming:
            return to_status(grpc.StatusCode.UNIMPLEMENTED, f"no method {method} on a session", not_begun=True)
        if len(self._calls) >= self._max_calls:
            return to_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls on one session", not_begun=True)
        return None

    def __repr__(self) -> str:
        return f"ServerSession({len(self._calls)} running, {self._outbox.size} bytes to send)"
