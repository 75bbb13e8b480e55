"""Opening a caller's session: beside a unix socket, or over gRPC."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc
import grpc.aio

from chassis.errors import RunestoneError
from chassis.mux.client_session import ClientSession
from chassis.mux.grpc_pipe import SESSION, GrpcPipe, carry_out
from chassis.mux.socket_pipe import SocketPipe

CONNECT_TIMEOUT = 2.0
EXPLAINING = 0.2  # seconds for gRPC to say why it could not connect


@dataclass(frozen=True, slots=True)
class SessionLife:
    """A session and how to end what carries it: calls that still run then fail."""

    session: ClientSession
    close: Callable[[], Awaitable[None]]


async def open_beside(path: str, max_message: int) -> SessionLife:
    """A session over the socket at `path`. Raises OSError."""
    gone = asyncio.Event()

    def end(why: str) -> None:
        session.fail(f"the session broke: {why}")
        gone.set()

    async def close() -> None:
        pipe.abort("the session was closed")
        await gone.wait()

    pipe = SocketPipe(end)
    session = ClientSession(pipe.wake, max_message)
    pipe.carry(session)
    async with asyncio.timeout(CONNECT_TIMEOUT):
        await asyncio.get_running_loop().create_unix_connection(lambda: pipe, path)
    return await _open_when_greeted(SessionLife(session, close), pipe.heard)


async def open_over_grpc(channel: grpc.aio.Channel, max_message: int, *, waits: bool) -> SessionLife:
    """A session over one stream of `channel`, which is closed with it; it `waits` until the callee can be reached, or fails at once.
    Raises OSError."""
    pipe = GrpcPipe()
    session = ClientSession(pipe.wake, max_message)

    async def carry() -> None:
        why = "the session was closed"
        try:
            await carry_out(channel.stream_stream(SESSION)(wait_for_ready=waits), pipe, session)
            why = "the stream ended"
        except grpc.aio.AioRpcError as failure:
            why = failure.details() or failure.code().name
        except RunestoneError as error:
            why = error.message
        finally:
            session.fail(f"the session broke: {why}")
            pipe.heard.set()

    async def end() -> None:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)

    async def close() -> None:
        await end()
        await channel.close()

    carrying = asyncio.create_task(carry())
    async with AsyncExitStack() as unless_opened:
        unless_opened.push_async_callback(channel.close)
        try:
            await _open_when_greeted(SessionLife(session, end), pipe.heard)
        except TimeoutError as error:
            raise ConnectionError(await _explain(channel)) from error
        unless_opened.pop_all()
    return SessionLife(session, close)


async def _explain(channel: grpc.aio.Channel) -> str:
    """Why a channel does not connect: who waits for it is not told, who does not wait is. A certificate that is refused looks like a
    callee that is away."""
    try:
        await channel.stream_stream(SESSION)(timeout=EXPLAINING).read()
    except grpc.aio.AioRpcError as failure:
        return failure.details() or failure.code().name
    return "it answered late"


async def _open_when_greeted(life: SessionLife, heard: asyncio.Event) -> SessionLife:
    """Waits for the callee's first batch, or its end: what only the kernel has accepted may belong to a process that is
    dying, or that hangs."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await heard.wait()
    except BaseException:
        await life.close()
        raise
    if not life.session.is_open:
        await life.close()
        raise ConnectionError("the callee ended the session at once")
    return life
