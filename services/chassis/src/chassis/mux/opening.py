"""Opening a caller's session: beside a unix socket, or over gRPC."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import grpc.aio

from chassis.mux.client_session import ClientSession
from chassis.mux.grpc_pipe import GrpcPipe, carry_out
from chassis.mux.socket_pipe import SocketPipe

CONNECT_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class SessionLife:
    """A session and how to end what carries it."""

    session: ClientSession
    close: Callable[[], object]


async def open_beside(path: str, max_message: int) -> SessionLife:
    """A session over the socket at `path`. Raises OSError."""
    pipe = SocketPipe(lambda why: session.fail(f"the session broke: {why}"))
    session = ClientSession(pipe.wake, max_message)
    pipe.carry(session)
    await asyncio.wait_for(asyncio.get_running_loop().create_unix_connection(lambda: pipe, path), CONNECT_TIMEOUT)
    return SessionLife(session, pipe.close)


async def open_over_grpc(channel: grpc.aio.Channel, max_message: int) -> SessionLife:
    """A session over one stream of `channel`. Raises grpc.aio.AioRpcError, or TimeoutError (an OSError)."""
    pipe = GrpcPipe()
    session = ClientSession(pipe.wake, max_message)
    opened = asyncio.get_running_loop().create_future()

    async def carry() -> None:
        why = "the stream ended"
        try:
            await carry_out(channel, pipe, session, lambda: opened.set_result(None))
        except grpc.aio.AioRpcError as failure:
            why = failure.details() or failure.code().name
            if not opened.done():
                opened.set_exception(failure)
        finally:
            session.fail(f"the session broke: {why}")

    carrying = asyncio.create_task(carry())
    try:
        await asyncio.wait_for(opened, CONNECT_TIMEOUT)
    except BaseException:
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        raise
    return SessionLife(session, carrying.cancel)
