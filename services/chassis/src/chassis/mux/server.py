"""The callee's side of all sessions of one process: over gRPC, and over a unix socket beside it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from chassis.bell import Bell
from chassis.clock import Clock
from chassis.gate import Handlers
from chassis.logs import Logger
from chassis.metric_families import Count
from chassis.mux.grpc_pipe import GrpcPipe, carry_in
from chassis.mux.server_session import ServerSession
from chassis.mux.socket_pipe import SUFFIX, SocketPipe

Admit = Callable[[Any, Handlers], Handlers]

SERVICE = "runestone.mux.v1.MuxService"
HANG_UP = 1.0  # seconds that callers have to hear the goodbye


class MuxServer:
    """Opens a session for each caller that connects, over the handlers that are registered when it does.

    It collects handlers as a `grpc.aio.Server` does (`add_registered_method_handlers`), so that the generated
    `add_..._to_server` functions fill both. `admit(context, handlers)` gives those that the caller of a session over gRPC may call; who
    reaches the socket may call all.
    """

    def __init__(
        self, *, clock: Clock, log: Logger, max_message: int, admit: Admit, stalls: Count | None = None
    ) -> None:
        self._stalls = stalls
        self.handlers: dict[str, Any] = {}
        self._admit = admit
        self._clock = clock
        self._log = log
        self._max_message = max_message
        self._sessions: dict[ServerSession, SocketPipe | GrpcPipe] = {}
        self._hung_up = Bell()
        self._is_stopping = False
        self._socket_server: asyncio.AbstractServer | None = None
        self._path: Path | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def sessions(self) -> int:
        """Callers that are connected."""
        return len(self._sessions)

    def generic_handler(self) -> grpc.GenericRpcHandler:
        """MuxService itself, for the gRPC server: batches pass as bytes."""
        handler: Any = grpc.stream_stream_rpc_method_handler(self._carry_grpc)
        return grpc.method_handlers_generic_handler(SERVICE, {"Session": handler})

    async def listen_beside(self, address: str) -> None:
        """Listens on the socket beside `unix:/path`; does nothing for other addresses."""
        if address.startswith("unix:"):
            self._path = Path(address.removeprefix("unix:") + SUFFIX)
            self._path.unlink(missing_ok=True)
            loop = asyncio.get_running_loop()
            self._socket_server = await loop.create_unix_server(self._accept, str(self._path), backlog=128)

    def say_goodbye(self) -> None:
        """Takes no new sessions, and no new calls on those that there are; running calls go on. Harmless when it was said."""
        if self._is_stopping:
            return
        self._is_stopping = True
        if self._socket_server is not None and self._path is not None:
            self._socket_server.close()
            self._path.unlink(missing_ok=True)  # now: later it may be the successor's
        for session in self._sessions:
            session.say_goodbye()

    async def stop(self, grace: float) -> None:
        """Says goodbye on all sessions, gives running calls up to `grace` seconds and callers a moment to hang up, then cancels what runs and
        closes what carries the sessions."""
        self.say_goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._wait_until_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(grace, HANG_UP)):
                await self._wait_until_hung_up()
        await asyncio.gather(*(session.close() for session in self._sessions))
        for pipe in self._sessions.values():
            pipe.close()

    async def _wait_until_idle(self) -> None:
        for session in list(self._sessions):
            await session.idle.wait()

    async def _wait_until_hung_up(self) -> None:
        """Who asks something before the goodbye has reached him is told that it was not begun; on a connection that is closed under it nobody
        could tell. A caller that has heard it hangs up."""
        while self._sessions:
            await self._hung_up.wait()

    def _accept(self) -> SocketPipe:
        pipe = SocketPipe(lambda _why: self._close_later(session), greets=True)
        session = self._open_session(pipe, self.handlers)
        pipe.carry(session)
        return pipe

    async def _carry_grpc(self, batches: AsyncIterator[bytes], context: Any) -> None:
        if self._is_stopping:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the service is stopping")
        pipe = GrpcPipe()
        session = self._open_session(pipe, self._admit(context, self.handlers))
        try:
            await carry_in(batches, context, pipe, session)
        finally:
            await self._close(session)

    def _open_session(self, pipe: SocketPipe | GrpcPipe, handlers: Handlers) -> ServerSession:
        session = ServerSession(
            handlers,
            pipe.wake,
            clock=self._clock,
            log=self._log,
            max_message=self._max_message,
            stalls=self._stalls,
        )
        self._sessions[session] = pipe
        return session

    def _close_later(self, session: ServerSession) -> None:
        task = asyncio.create_task(self._close(session))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, session: ServerSession) -> None:
        """Ends a session that nothing carries any more; until its calls have ended, `stop` waits for them too."""
        try:
            await session.close()
        finally:
            self._sessions.pop(session, None)
            self._hung_up.ring()

    def __repr__(self) -> str:
        return f"MuxServer({len(self._sessions)} sessions, {len(self.handlers)} methods)"
