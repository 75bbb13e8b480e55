"""One call at the callee's end: its request as it comes, then the handler's task, then its answers as credit allows."""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

import grpc

from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.logs import Logger
from chassis.metric_families import Count
from chassis.mux.context import MuxAbort, MuxContext
from chassis.mux.flow import PART, Inflow, Outflow, Piece
from chassis.mux.frames import write_answer, write_credit, write_end, write_part, write_status
from runestone.mux.v1.mux_pb2 import Open, Status


class Session(Protocol):
    """What a call needs of the session that it belongs to."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    log: Logger
    max_message: int
    stalls: Count

    def send(self, call: int, frame: bytes) -> None:
        """Queues a frame for the next batch."""

    def drop_frames(self, number: int) -> None:
        """Takes back what was not yet sent of a call that nobody waits for."""

    def end(self, number: int, last: bytes | None) -> None:
        """Ends the bookkeeping of a call, and sends its last frame where somebody waits for that."""


class ServerCall:
    """Takes a request in parts, runs its handler, sends what that answers. It ends once, by whichever comes first: the
    handler's end, the caller's cancel, or the deadline that came with the call."""

    __slots__ = (
        "_context",
        "_handler",
        "_has_begun",
        "_inflow",
        "_is_wanted",
        "_number",
        "_outflow",
        "_room",
        "_session",
        "_timer",
        "task",
    )

    def __init__(self, session: Session, number: int, handler: Any, opening: Open) -> None:
        self._session = session
        self._number = number
        self._handler = handler
        self._context = MuxContext(opening, session.clock, session.log)
        self._inflow: Inflow | None = None  # made for a request in parts
        self._outflow: Outflow | None = None  # made for answers in parts
        self._room: asyncio.Future[None] | None = None
        self._is_wanted = True
        self._has_begun = False
        self._timer = session.loop.call_later(opening.timeout_us / 1e6, self.cancel)
        self.task: asyncio.Task[None] | None = None

    def take(self, data: bytes, *, more: bool) -> None:
        """A part of the request arrived; with the last one the handler begins. Parts beyond the last are ignored."""
        if self.task is not None or not self._is_wanted:
            return
        if self._inflow is None:
            if not more and len(data) <= PART:  # nearly always
                self._begin(data)
                return
            self._inflow = Inflow(self._session.max_message)
        self._take_part(self._inflow, data, more=more)

    def cancel(self) -> None:
        """The caller went away, or its deadline has passed. Harmless when the call is over or cancelled already."""
        if not self._is_wanted:
            return
        self._is_wanted = False
        self._session.drop_frames(self._number)
        if self.task is not None:
            self.task.cancel()
        if self._has_begun:
            self._context.finish()
        else:  # a task that is cancelled before its first step never takes one
            self._finish(None)

    def add_credit(self, credit: int) -> None:
        """The caller has read; go on. Raises INVALID_REQUEST when it gives more than was spent."""
        if not self._is_wanted:
            return
        outflow = self._outflow or Outflow()
        self._send_pieces(outflow.add_credit(credit))
        if not outflow.is_blocked and self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _take_part(self, inflow: Inflow, data: bytes, *, more: bool) -> None:
        try:
            request = inflow.take(data, more=more)
        except RunestoneError as error:
            refusal = to_status(grpc.StatusCode.RESOURCE_EXHAUSTED, error.message, not_begun=True)
            self._finish(write_status(self._number, refusal))
            return
        if request is not None:
            self._begin(request)
        elif credit := inflow.credit_due():
            self._session.send(self._number, write_credit(self._number, credit))

    def _begin(self, request: bytes) -> None:
        self.task = self._session.loop.create_task(self._serve(request))

    async def _serve(self, request: bytes) -> None:
        self._has_begun = True
        last: bytes | None = None
        try:
            last = await self._answer(self._handler.request_deserializer(request))
        except MuxAbort as abort:
            last = write_status(self._number, abort.status)
        except asyncio.CancelledError:
            last = self._write_end(grpc.StatusCode.CANCELLED, "the service cancelled the call")
            raise
        except Exception:
            self._session.log.exception("call crashed")
            last = self._write_end(grpc.StatusCode.UNKNOWN, "the call crashed; the service's log has the details")
        finally:
            self._finish(last)

    def _finish(self, last: bytes | None) -> None:
        """Ends the call; its `last` frame travels where somebody waits for it."""
        self._timer.cancel()
        self._context.finish()
        self._session.end(self._number, last if self._is_wanted else None)
        self._is_wanted = False

    async def _answer(self, request: Any) -> bytes:
        """Answers; returns the call's last frame."""
        serialize = self._handler.response_serializer
        if self._handler.response_streaming:
            messages = self._handler.unary_stream(request, self._context)
            try:
                async for message in messages:
                    await self._send(serialize(message))
            finally:
                await messages.aclose()
            return write_end(self._number)
        answer = serialize(await self._handler.unary_unary(request, self._context))
        if len(answer) <= PART:
            return write_answer(self._number, answer)
        await self._send(answer)
        return write_end(self._number)

    async def _send(self, message: bytes) -> None:
        """Sends a message as credit allows; returns when all of it is on its way. Cancelled when nobody waits for it, also
        for a handler that goes on after it was cancelled: no credit would ever come."""
        if not self._is_wanted:
            raise asyncio.CancelledError
        if self._outflow is None:
            self._outflow = Outflow()
        self._send_pieces(self._outflow.offer(message))
        if self._outflow.is_blocked:
            self._session.stalls.inc()
        while self._outflow.is_blocked:
            self._room = self._session.loop.create_future()
            await self._room

    def _send_pieces(self, pieces: Iterable[Piece]) -> None:
        for data, more in pieces:
            self._session.send(self._number, write_part(self._number, data, more=more))

    def _write_end(self, code: grpc.StatusCode, details: str) -> bytes:
        return write_status(self._number, to_status(code, details))


def to_status(code: grpc.StatusCode, details: str, *, not_begun: bool = False) -> Status:
    """How a call ended, for an end that is the session's own."""
    return Status(code=code.value[0], details=details, not_begun=not_begun)
