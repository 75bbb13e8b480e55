"""Batches over one bidirectional gRPC stream: between machines, and wherever only gRPC is let through."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Any, cast

import grpc
import grpc.aio

from chassis.errors import RunestoneError
from chassis.mux.socket_pipe import GREETING, Session

SESSION = "/runestone.mux.v1.MuxService/Session"


class GrpcPipe:
    """Writes what a session has to send, one batch at a time; what is queued while one is on its way goes with the next.

    `heard` is set as soon as the other end has said anything.
    """

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self._due = asyncio.Event()
        self._closed = asyncio.Event()

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

    def close(self) -> None:
        """The callee's end: ends the stream after what is queued and written."""
        self._closed.set()

    async def wait_until_closed(self) -> None:
        """Returns once `close` was called."""
        await self._closed.wait()

    async def read_from(self, batches: AsyncIterable[bytes], session: Session) -> None:
        """Reads until the other end has nothing more to say. Raises RunestoneError when it breaks the rules."""
        async with aclosing(cast("AsyncGenerator[bytes]", aiter(batches))) as iterator:
            async for batch in iterator:
                self.heard.set()
                session.receive(batch)


async def carry_out(stream: Any, pipe: GrpcPipe, session: Session) -> None:
    """Carries a caller's session until the stream ends.

    Raises grpc.aio.AioRpcError when the stream breaks, RunestoneError when the callee breaks the rules. Cancelling ends it.
    """
    writer = asyncio.create_task(pipe.write_to(stream, session))
    try:
        await pipe.read_from(stream, session)
    finally:
        stream.cancel()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


async def carry_in(batches: AsyncIterable[bytes], context: Any, pipe: GrpcPipe, session: Session) -> None:
    """Greets, and carries a callee's session until the caller ends the stream, or breaks the rules, or the pipe is closed."""
    await context.write(GREETING)
    writer = asyncio.create_task(pipe.write_to(context, session))
    reader = asyncio.create_task(pipe.read_from(batches, session))
    closing = asyncio.create_task(pipe.wait_until_closed())
    try:
        await asyncio.wait((reader, closing), return_when=asyncio.FIRST_COMPLETED)
        if reader.done():
            reader.result()
    except RunestoneError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
    finally:
        for task in (writer, reader, closing):
            task.cancel()
        await asyncio.gather(writer, reader, closing, return_exceptions=True)
