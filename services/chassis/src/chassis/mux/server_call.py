"""One call at the callee's end: its request as it comes, then the handler's task, then its answers as credit allows."""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any, Protocol

import grpc

from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.logs import Logger
from chassis.mux.context import MuxAbort, MuxContext
from chassis.mux.flow import OVERHEAD, PART, Inflow, Outflow, Piece
from runestone.mux.v1.mux_pb2 import Frame, Open, Part, Status


class Session(Protocol):
    """What a call needs of the session that it belongs to."""

    clock: Clock
    log: Logger

    def send(self, frame: Frame, size: int) -> None:
        """Queues a frame for the next batch."""

    def drop_frames(self, number: int) -> None:
        """Takes back what was not yet sent of a call that nobody waits for."""

    def end(self, number: int, status: Status | None) -> None:
        """Ends the bookkeeping of a call, and sends how it ended where somebody waits for that."""


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

    def __init__(self, session: Session, number: int, handler: Any, opening: Open, max_message: int) -> None:
        self._session = session
        self._number = number
        self._handler = handler
        self._context = MuxContext(opening, session.clock, session.log)
        self._inflow = Inflow(max_message)
        self._outflow = Outflow()
        self._room: asyncio.Future[None] | None = None
        self._is_wanted = True
        self._has_begun = False
        self._timer = asyncio.get_running_loop().call_later(opening.timeout_us / 1e6, self.cancel)
        self.task: asyncio.Task[None] | None = None

    def take(self, data: bytes, *, more: bool) -> None:
        """A part of the request arrived; with the last one the handler begins. Parts beyond the last are ignored."""
        if self.task is not None or not self._is_wanted:
            return
        try:
            request = self._inflow.take(data, more=more)
        except RunestoneError as error:
            self._finish(to_status(grpc.StatusCode.RESOURCE_EXHAUSTED, error.message, not_begun=True))
            return
        if request is not None:
            self.task = asyncio.create_task(self._serve(request))
        elif credit := self._inflow.credit_due():
            self._session.send(Frame(call=self._number, credit=credit), OVERHEAD)

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
        self._send_pieces(self._outflow.add_credit(credit))
        if not self._outflow.is_blocked and self._room is not None and not self._room.done():
            self._room.set_result(None)

    async def _serve(self, request: bytes) -> None:
        self._has_begun = True
        status: Status | None = None
        try:
            status = await self._answer(self._handler.request_deserializer(request))
        except MuxAbort as abort:
            status = abort.status
        except asyncio.CancelledError:
            status = to_status(grpc.StatusCode.CANCELLED, "the service cancelled the call")
            raise
        except Exception:
            self._session.log.exception("call crashed")
            status = to_status(grpc.StatusCode.UNKNOWN, "the call crashed; the service's log has the details")
        finally:
            self._finish(status)

    def _finish(self, status: Status | None) -> None:
        """Ends the call; `status` travels where somebody waits for it."""
        self._timer.cancel()
        self._context.finish()
        self._session.end(self._number, status if self._is_wanted else None)
        self._is_wanted = False

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
        """Sends a message as credit allows; returns when all of it is on its way. Cancelled when nobody waits for it, also
        for a handler that goes on after it was cancelled: no credit would ever come."""
        if not self._is_wanted:
            raise asyncio.CancelledError
        self._send_pieces(self._outflow.offer(message))
        while self._outflow.is_blocked:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def _send_pieces(self, pieces: Iterable[Piece]) -> None:
        for data, more in pieces:
            self._session.send(Frame(call=self._number, part=Part(data=bytes(data), more=more)), len(data) + OVERHEAD)


def to_status(code: grpc.StatusCode, details: str, *, not_begun: bool = False) -> Status:
    """How a call ended, for an end that is the session's own."""
    return Status(code=code.value[0], details=details, not_begun=not_begun)
