"""The callee's end of a session: calls in, each a task of its own, answers out. No I/O: a pipe carries its batches."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.logs import Logger
from chassis.mux.context import MuxAbort, MuxContext
from chassis.mux.flow import OVERHEAD, PART, Inflow, Outflow, Piece
from chassis.mux.outbox import Outbox
from runestone.mux.v1.mux_pb2 import Frame, Goodbye, Open, Part, SessionRequest, SessionResponse, Status

Handlers = Mapping[str, Any]


class ServerSession:
    """Running calls by number. `wake` is called when there is something to send; the pipe then asks `next_batch`."""

    def __init__(
        self,
        handlers: Handlers,
        wake: Callable[[], None],
        *,
        clock: Clock,
        log: Logger,
        max_message: int,
        max_calls: int = 10_000,
    ) -> None:
        self._handlers = handlers
        self._wake = wake
        self._max_message = max_message
        self._max_calls = max_calls
        self._outbox = Outbox()
        self._calls: dict[int, ServerCall] = {}
        self._is_leaving = False
        self.clock = clock
        self.log = log
        self.idle = asyncio.Event()
        self.idle.set()

    def send(self, frame: Frame, size: int) -> None:
        """Queues a frame for the next batch."""
        self._outbox.put(frame, size)
        self._wake()

    def next_batch(self) -> bytes | None:
        """The next batch as bytes; None when nothing is to be sent."""
        frames = self._outbox.take()
        return SessionResponse(frames=frames).SerializeToString() if frames else None

    def receive(self, batch: bytes) -> None:
        """Takes a batch from the caller. Never waits; frames of calls that are over are dropped."""
        for frame in SessionRequest.FromString(batch).frames:
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
        self.send(Frame(goodbye=Goodbye()), OVERHEAD)

    async def close(self) -> None:
        """Cancels every call and waits for their ends."""
        tasks = [call.task for call in self._calls.values() if call.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._calls.clear()
        self.idle.set()

    def forget(self, number: int) -> None:
        """Ends the bookkeeping of a call."""
        if self._calls.pop(number, None) is not None and not self._calls:
            self.idle.set()

    def end(self, number: int, status: Status) -> None:
        """Sends how a call ended."""
        self.forget(number)
        self.send(Frame(call=number, status=status), len(status.message) + len(status.details) + 64)

    def drop_frames(self, number: int) -> None:
        """Takes back what was not yet sent of a call that nobody waits for."""
        self._outbox.drop(number)

    def _open(self, number: int, opening: Open) -> None:
        handler = self._handlers.get(opening.method)
        refusal = self._refusal(opening.method, handler)
        if refusal is not None:
            self.end(number, refusal)
            return
        call = ServerCall(self, number, handler, opening, self._max_message)
        self._calls[number] = call
        self.idle.clear()
        call.take(opening.request, more=opening.more)

    def _refusal(self, method: str, handler: Any) -> Status | None:
        if self._is_leaving:
            return _status(grpc.StatusCode.UNAVAILABLE, "the service is stopping", not_begun=True)
        if handler is None or handler.request_streaming:
            return _status(grpc.StatusCode.UNIMPLEMENTED, f"no method {method} on a session", not_begun=True)
        if len(self._calls) >= self._max_calls:
            return _status(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls on one session", not_begun=True)
        return None

    def __repr__(self) -> str:
        return f"ServerSession({len(self._calls)} running, {self._outbox.size} bytes to send)"


class ServerCall:
    """One call: its request as it comes, then the handler's task, then its answers as credit allows."""

    __slots__ = ("_context", "_handler", "_inflow", "_number", "_outflow", "_room", "_session", "task")

    def __init__(self, session: ServerSession, number: int, handler: Any, opening: Open, max_message: int) -> None:
        self._session = session
        self._number = number
        self._handler = handler
        self._context = MuxContext(opening, session.clock)
        self._inflow = Inflow(max_message)
        self._outflow = Outflow()
        self._room: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None

    def take(self, data: bytes, *, more: bool) -> None:
        """A part of the request arrived; with the last one the handler begins."""
        try:
            request = self._inflow.take(data, more=more)
        except RunestoneError as error:
            self._session.end(self._number, _status(grpc.StatusCode.RESOURCE_EXHAUSTED, error.message, not_begun=True))
            return
        if request is not None:
            self.task = asyncio.create_task(self._serve(request))
        elif credit := self._inflow.credit_due():
            self._session.send(Frame(call=self._number, credit=credit), OVERHEAD)

    def cancel(self) -> None:
        """The caller went away."""
        self._session.drop_frames(self._number)
        if self.task is None:
            self._session.forget(self._number)
        else:
            self._context.finish()
            self.task.cancel()

    def add_credit(self, credit: int) -> None:
        """The caller has read; go on."""
        self._send_pieces(self._outflow.add_credit(credit))
        if not self._outflow.is_blocked and self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _serve(self, request: bytes) -> None:
        status: Status | None = None
        try:
            status = await self._answer(self._handler.request_deserializer(request))
        except MuxAbort as abort:
            status = abort.status
        except Exception:
            self._session.log.exception("call crashed")
            status = _status(grpc.StatusCode.UNKNOWN, "the call crashed; the service's log has the details")
        finally:
            self._context.finish()
            if status is None:  # cancelled: nobody waits
                self._session.forget(self._number)
            else:
                self._session.end(self._number, status)

    async def _answer(self, request: Any) -> Status:
        serialize = self._handler.response_serializer
        if self._handler.response_streaming:
            async with aclosing(self._handler.unary_stream(request, self._context)) as messages:
                async for message in messages:
                    await self._send(serialize(message))
            return Status()
        answer = serialize(await self._handler.unary_unary(request, self._context))
        if len(answer) <= PART:
            return Status(message=answer)
        await self._send(answer)
        return Status()

    async def _send(self, message: bytes) -> None:
        """Sends a message as credit allows; returns when all of it is on its way."""
        self._send_pieces(self._outflow.offer(message))
        while self._outflow.is_blocked:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def _send_pieces(self, pieces: Iterable[Piece]) -> None:
        for data, more in pieces:
            self._session.send(Frame(call=self._number, part=Part(data=bytes(data), more=more)), len(data) + OVERHEAD)


def _status(code: grpc.StatusCode, details: str, *, not_begun: bool = False) -> Status:
    return Status(code=code.value[0], details=details, not_begun=not_begun)
