"""A session to one address, kept: opened at once, opened again when it breaks, replaced before it grows old."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from chassis.client import Answers
from chassis.dialing import PLAINLY, Dial
from chassis.errors import Reason, RunestoneError
from chassis.metadata import Metadata
from chassis.mux.client_call import ClientCall
from chassis.mux.opening import SessionLife, open_beside, open_over_grpc
from chassis.mux.socket_pipe import SUFFIX

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.2  # seconds between tries to connect
AGE = 45.0  # seconds; below the server's connection age, so that no session is cut by it
PATIENCE = 0.25  # how long a call waits for a session that is being opened: longer than any pause


class MuxLink:
    """Calls to one address. `call` and `stream` are what `chassis.client.Channel` puts stubs on.

    It connects in the background from the moment it is made; `close` it. A call that was certainly not begun when its
    session ended is sent once more on the next one; unless it `waits_again` only where there is a next one already: who knows of other
    addresses asks there at once. A session is replaced when it is `age` seconds old, or a little younger; each is opened as `dial` opens
    channels then.
    """

    def __init__(
        self, address: str, max_message: int, *, age: float = AGE, waits_again: bool = True, dial: Dial = PLAINLY
    ) -> None:
        self.address = address
        self._dial = dial
        self._trouble = ""  # why there is no session
        self._max_message = max_message
        self._age = age
        self._waits_again = waits_again
        self._life: SessionLife | None = None
        self._is_connected = asyncio.Event()
        self._retiring: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._runner = asyncio.create_task(self._keep_session(), name=f"mux:{address}")

    @property
    def running(self) -> int:
        """Calls that are running on the current session."""
        return self._life.session.running if self._life else 0

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be sent on the current session."""
        return self._life.session.queued_bytes if self._life else 0

    @property
    def is_connected(self) -> bool:
        """Whether a call would go out at once."""
        return self._life is not None and self._life.session.takes_calls

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether there is a session, waiting up to `timeout` seconds for one."""
        if not self.is_connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._wait_until_connected()
        return self.is_connected

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        """A unary call. Raises RunestoneError."""
        until = self._loop.time() + timeout
        call = await self._begin(method, request, until, metadata)
        try:
            return await call.answer()
        except RunestoneError as error:
            if not self._may_send_again(error):
                raise
        return await (await self._begin(method, request, until, metadata)).answer()

    def stream(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> "SessionAnswers":
        """A server-streaming call, begun when its first answer is asked for. Raises RunestoneError; closing it early cancels
        the call."""
        until = self._loop.time() + timeout
        return SessionAnswers(lambda: self._begin(method, request, until, metadata), self._may_send_again)

    async def close(self) -> None:
        """Ends all sessions; running calls fail. Harmless when it is closed already."""
        tasks = (self._runner, *self._retiring)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        life, self._life = self._life, None
        if life is not None:
            await life.close()

    def __repr__(self) -> str:
        return f"MuxLink({self._life.session if self._life else 'not connected'})"

    async def _begin(self, method: str, request: bytes, until: float, metadata: Metadata) -> ClientCall:
        """Begins a call that may take until `until`, on the session that there is or comes soon."""
        if self._life is None or not self._life.session.takes_calls:
            await self._wait_for_session(min(PATIENCE, until - self._loop.time()))
        assert self._life is not None
        left = until - self._loop.time()
        if left <= 0:
            raise RunestoneError(Reason.DEADLINE_EXCEEDED, "the call's deadline passed", may_have_begun=False)
        return self._life.session.begin(method, request, left, metadata)

    def _may_send_again(self, error: RunestoneError) -> bool:
        return was_surely_not_begun(error) and (self._waits_again or self.is_connected)

    async def _wait_until_connected(self) -> None:
        while not self.is_connected:
            self._is_connected.clear()
            await self._is_connected.wait()

    async def _wait_for_session(self, patience: float) -> None:
        if not await self.is_connected_within(patience):
            why = f": {self._trouble}" if self._trouble else ""
            message = f"{self.address} cannot be reached{why}"
            raise RunestoneError(Reason.UNAVAILABLE, message, may_have_begun=False)

    async def _keep_session(self) -> None:
        while True:
            life = await self._open_in_the_end()
            self._trouble = ""
            previous, self._life = self._life, life
            self._is_connected.set()
            if previous is not None:
                self._retire(previous)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._age * random.uniform(0.75, 1.0)):  # noqa: S311  jitter, not secrecy
                    await life.session.spent.wait()
            if life.session.spent.is_set():  # a callee that is stopping waits for it, a successor or not
                self._life = None
                self._retire(life)

    def _retire(self, life: SessionLife) -> None:
        """New calls go to the successor; the old session ends with its last call."""

        async def see_off() -> None:
            life.session.is_leaving = True
            try:
                await life.session.idle.wait()
            finally:
                await life.close()

        task = asyncio.create_task(see_off())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _open_in_the_end(self) -> SessionLife:
        """A new session, however often it takes."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._open()
            except OSError as error:
                self._trouble = str(error)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _open(self) -> SessionLife:
        """A new session. Raises OSError when the callee cannot be reached."""
        is_beside = self.address.startswith("unix:")
        path = self.address.removeprefix("unix:") + SUFFIX
        if is_beside and Path(path).exists():  # noqa: ASYNC240  a look at the file system's cache
            return await open_beside(path, self._max_message)
        return await open_over_grpc(self._dial.open(self.address), self._max_message, waits=not is_beside)


class SessionAnswers:
    """The answers of a streaming call; it is sent once more where it certainly was not begun, and `may_send_again`."""

    def __init__(
        self, begin: Callable[[], Awaitable[ClientCall]], may_send_again: Callable[[RunestoneError], bool]
    ) -> None:
        self._begin = begin
        self._may_send_again = may_send_again
        self._answers: Answers | None = None
        self._is_last_try = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next answer. Raises RunestoneError."""
        if self._answers is None:
            self._answers = (await self._begin()).answers()
        try:
            return await anext(self._answers)
        except RunestoneError as error:
            if self._is_last_try or not self._may_send_again(error):
                raise
        self._is_last_try, self._answers = True, None
        return await anext(self)

    async def aclose(self) -> None:
        """Nobody reads on."""
        if self._answers is not None:
            await self._answers.aclose()


def was_surely_not_begun(error: RunestoneError) -> bool:
    """Whether the call may be sent again."""
    return error.reason is Reason.UNAVAILABLE and not error.may_have_begun
