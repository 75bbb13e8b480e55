"""A session to one address, kept: opened at once, opened again when it breaks, replaced before it grows old."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import grpc
import grpc.aio

from chassis.errors import Reason, RunestoneError
from chassis.mux.client_session import ClientCall, Entries
from chassis.mux.opening import SessionLife, open_beside, open_over_grpc
from chassis.mux.socket_pipe import SUFFIX
from chassis.plain import PlainLink

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5  # seconds between tries to connect
AGE = 45.0  # seconds; below the server's connection age, so that no session is cut by it
PATIENCE = 0.25  # how long a call waits for a session that is being opened


class MuxLink:
    """Calls to one address. `call` and `stream` are what `chassis.client.Channel` puts stubs on.

    It connects in the background from the moment it is made; `close` it. A call that was certainly not begun when its
    session ended is sent once more on the next one.
    """

    def __init__(self, address: str, max_message: int) -> None:
        self.address = address
        self._plain = PlainLink(address)
        self._max_message = max_message
        self._life: SessionLife | None = None
        self._is_connected = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()
        self._runner = asyncio.create_task(self._keep_session(), name=f"mux:{address}")

    @property
    def running(self) -> int:
        """Calls that are running on the current session."""
        return self._life.session.running if self._life else 0

    @property
    def is_connected(self) -> bool:
        """Whether a call would go out at once."""
        return self._life is not None and self._life.session.takes_calls

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether there is a session, waiting up to `timeout` seconds for one."""
        if not self.is_connected:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_connected.wait(), timeout)
        return self.is_connected

    async def call(self, method: str, request: bytes, timeout: float, metadata: Entries) -> bytes:
        """A unary call. Raises RunestoneError."""
        try:
            return await (await self._begin(method, request, timeout, metadata)).answer()
        except RunestoneError as error:
            if error.may_have_begun or error.reason is not Reason.UNAVAILABLE:
                raise
        return await (await self._begin(method, request, timeout, metadata)).answer()

    async def stream(self, method: str, request: bytes, timeout: float, metadata: Entries) -> AsyncGenerator[bytes]:
        """A server-streaming call. Raises RunestoneError; closing it early cancels the call."""
        for is_last in (False, True):
            call = await self._begin(method, request, timeout, metadata)
            try:
                async with contextlib.aclosing(call.answers()) as answers:
                    async for answer in answers:
                        yield answer
            except RunestoneError as error:
                if is_last or error.may_have_begun or error.reason is not Reason.UNAVAILABLE:
                    raise
            else:
                return

    async def close(self) -> None:
        """Ends all sessions; running calls fail."""
        for task in (self._runner, *self._retiring):
            task.cancel()
        await asyncio.gather(self._runner, *self._retiring, return_exceptions=True)
        if self._life is not None:
            self._life.close()
        await self._plain.close()

    def __repr__(self) -> str:
        return f"MuxLink({self._life.session if self._life else 'not connected yet'})"

    async def _begin(self, method: str, request: bytes, timeout: float, metadata: Entries) -> ClientCall:
        if self._life is None or not self._life.session.takes_calls:
            await self._wait_for_session(min(PATIENCE, timeout))
        assert self._life is not None
        return self._life.session.begin(method, request, timeout, metadata)

    async def _wait_for_session(self, patience: float) -> None:
        if not await self.is_connected_within(patience):
            raise RunestoneError(Reason.UNAVAILABLE, f"{self.address} cannot be reached", may_have_begun=False)

    async def _keep_session(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                life = await self._open()
            except (OSError, grpc.aio.AioRpcError):
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            previous, self._life = self._life, life
            self._is_connected.set()
            if previous is not None:
                self._retire(previous)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(life.session.spent.wait(), AGE * random.uniform(0.75, 1.0))  # noqa: S311
            if not self.is_connected:
                self._is_connected.clear()

    def _retire(self, life: SessionLife) -> None:
        """New calls go to the successor; the old session ends with its last call."""

        async def see_off() -> None:
            life.session.is_leaving = True
            try:
                await life.session.idle.wait()
            finally:
                life.close()

        task = asyncio.create_task(see_off())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _open(self) -> SessionLife:
        """A new session. Raises OSError or AioRpcError when the callee cannot be reached."""
        path = self.address.removeprefix("unix:") + SUFFIX
        if self.address.startswith("unix:") and Path(path).exists():  # noqa: ASYNC240  a look at the file system's cache
            return await open_beside(path, self._max_message)
        return await open_over_grpc(self._plain.channel, self._max_message)
