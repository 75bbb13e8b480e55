"""Batches over one bidirectional gRPC stream: between machines, and wherever only gRPC is let through."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from chassis.errors import RunestoneError
from chassis.mux.socket_pipe import Session

SESSION = "/runestone.mux.v1.MuxService/Session"


class GrpcPipe:
    """Writes what a session has to send, one batch at a time; what is queued while one is on its way goes with the next."""

    def __init__(self) -> None:
        self._due = asyncio.Event()

    def wake(self) -> None:
        """There is something to send."""
        self._due.set()

    async def write_to(self, stream: Any, session: Session) -> None:
        """Writes until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            while (batch := session.next_batch()) is not None:
                await stream.write(batch)


async def carry_out(stream: Any, pipe: GrpcPipe, session: Session, opened: Callable[[], None]) -> None:
    """Carries a caller's session until the stream ends; calls `opened` when the callee has answered.

    Raises grpc.aio.AioRpcError when the stream breaks, RunestoneError when the callee breaks the rules. Cancelling ends it.
    """
    writer = asyncio.create_task(pipe.write_to(stream, session))
    try:
        await stream.wait_for_connection()
        opened()
        async for batch in stream:
            session.receive(batch)
    finally:
        stream.cancel()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


async def carry_in(batches: AsyncIterator[bytes], context: Any, pipe: GrpcPipe, session: Session) -> None:
    """Carries a callee's session until the caller ends the stream, or breaks the rules."""
    await context.send_initial_metadata(())
    writer = asyncio.create_task(pipe.write_to(context, session))
    try:
        async for batch in batches:
            session.receive(batch)
    except RunestoneError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
