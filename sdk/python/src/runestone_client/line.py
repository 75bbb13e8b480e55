"""A connection that comes back: dials, reads, writes, beats, and dials again."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Literal, Protocol

from runestone_client.backoff import may_reconnect
from runestone_client.dialing import Dial, DialError, Wire, WireClosedError
from runestone_client.errors import ConnectionLostError, RunestoneError
from runestone_client.frames import Frame, MalformedFrameError, read_frame, write_frame
from runestone_client.pushes import Push
from runestone_client.settings import Settings

LineState = Literal["connecting", "connected", "closed"]
BEAT = "phoenix"
FIRST = -1  # the attempt that nothing came before
RESTARTING = 1012
LAST_REPLY = 0.05  # seconds between two looks whether all replies have come
SETTLED = 5.0  # seconds after which a connection that is lost was a good one


class Speaker(Protocol):
    """Who uses the line: told in this order, over and over; `ended` is the last."""

    def connected(self) -> None:
        """What is to be said may be said."""

    def received(self, frame: Frame) -> None:
        """A message came."""

    def is_waiting(self) -> bool:
        """Whether replies are still to come."""

    def lost(self, error: ConnectionLostError) -> None:
        """It is gone; it will be dialled again."""

    def ended(self, error: RunestoneError) -> None:
        """It will not come back."""


class Line:
    """Keeps one connection open. `state` is told to `on_state` when it changes."""

    def __init__(
        self,
        dial: Dial,
        speaker: Speaker,
        settings: Settings,
        on_state: Callable[[LineState], None] = lambda _state: None,
    ) -> None:
        self.state: LineState = "connecting"
        self.problem: RunestoneError | None = None  # why the last attempt to connect failed
        self._dial, self._speaker, self._settings, self._on_state = dial, speaker, settings, on_state
        self._outgoing: deque[tuple[str, Push | None]] = deque()
        self._has_outgoing = asyncio.Event()
        self._refs = 0
        self._attempt = FIRST
        self._beat: asyncio.Future[None] | None = None
        self._is_draining = asyncio.Event()

    def make_ref(self) -> str:
        """A reference that this client never used."""
        self._refs += 1
        return str(self._refs)

    def send(self, text: str, push: Push | None = None) -> None:
        """Sends a frame over the connection there is; nothing where there is none. `push` is told when it is on its way."""
        if self.state == "connected":
            self._outgoing.append((text, push))
            self._has_outgoing.set()

    async def run(self) -> None:
        """Until it is cancelled, or there is no coming back: then its speaker is told, and what it raises is RunestoneError."""
        error: RunestoneError = ConnectionLostError("the client was closed")
        try:
            while True:
                wire = await self._dial_until_there()
                error = await self._serve(wire)
                if not self._may_return(error):
                    raise error
        except RunestoneError as failure:
            error = failure
            raise
        finally:
            self._turn("closed")
            self._speaker.ended(error)

    @staticmethod
    def _may_return(error: RunestoneError) -> bool:
        return isinstance(error, ConnectionLostError) and may_reconnect(error.code)

    async def _dial_until_there(self) -> Wire:
        """The first attempt of all is made at once; one that follows a connection which was lost waits, too: its others come as well."""
        since, retry_after = monotonic(), None
        while True:
            if self._attempt >= 0:
                await asyncio.sleep(self._settings.backoff.pause(self._attempt, random.uniform, retry_after))
            self._attempt += 1
            try:
                return await self._dial()
            except DialError as error:
                self.problem = error.error
                if not error.is_passing or monotonic() - since > self._settings.max_downtime:
                    raise error.error from error
                retry_after = error.retry_after

    async def _serve(self, wire: Wire) -> ConnectionLostError:
        """Speaks until the connection is gone, and says how that was."""
        self._outgoing.clear()
        self._is_draining.clear()
        self._turn("connected")
        since = monotonic()
        self._speaker.connected()
        tasks: list[asyncio.Task[None]] = [
            asyncio.ensure_future(work)
            for work in (self._read(wire), self._write(wire), self._keep_beating(), self._move_on())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            error = _explain(next(iter(done)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _hang_up(wire, self._settings.close_timeout)
        self._outgoing.clear()
        if monotonic() - since > SETTLED:
            self._attempt = 0
        self._turn("connecting")
        self._speaker.lost(error)
        return error

    async def _read(self, wire: Wire) -> None:
        while True:
            try:
                frame = read_frame(await wire.receive())
            except MalformedFrameError as error:
                raise WireClosedError(1002, str(error)) from error
            if frame.topic != BEAT:
                self._speaker.received(frame)
            elif frame.event == "phx_drain":
                self._turn("connecting")  # what is pushed from now on waits for the next connection
                self._is_draining.set()
            elif self._beat is not None and frame.event == "phx_reply" and not self._beat.done():
                self._beat.set_result(None)

    async def _write(self, wire: Wire) -> None:
        while True:
            await self._has_outgoing.wait()
            while self._outgoing:
                text, push = self._outgoing.popleft()
                if push is not None:
                    if push.reply.done():
                        continue  # whoever asked has given up meanwhile
                    push.is_sent = True
                await wire.send(text)
            self._has_outgoing.clear()

    async def _keep_beating(self) -> None:
        """A connection that says nothing to a heartbeat is gone, whatever TCP thinks of it."""
        while True:
            await asyncio.sleep(self._settings.heartbeat_interval)
            self._beat = asyncio.get_running_loop().create_future()
            self.send(write_frame(None, self.make_ref(), BEAT, "heartbeat", "{}"))
            try:
                async with asyncio.timeout(self._settings.heartbeat_timeout):
                    await self._beat
            except TimeoutError:
                raise WireClosedError(1006, "no answer to a heartbeat") from None

    async def _move_on(self) -> None:
        """When the gateway is about to stop: leaves it, not all at once with the others, when what was asked is answered. Streams go on."""
        await self._is_draining.wait()
        await asyncio.sleep(random.uniform(0, self._settings.drain_spread))  # noqa: S311  jitter, not secrecy
        while self._speaker.is_waiting():  # noqa: ASYNC110  at most until the gateway closes the connection
            await asyncio.sleep(LAST_REPLY)
        raise WireClosedError(RESTARTING, "the gateway restarts")

    def _turn(self, state: LineState) -> None:
        if state != self.state:
            self.state = state
            self._on_state(state)


def _explain(task: "asyncio.Task[None]") -> ConnectionLostError:
    error = task.exception()
    if not isinstance(error, WireClosedError):
        raise error or AssertionError("the reader, the writer and the heart end only by an error")
    return ConnectionLostError(f"the connection was {error}", code=error.code)


async def _hang_up(wire: Wire, timeout: float) -> None:
    """What is open closes in order; what is not does not matter."""
    try:
        async with asyncio.timeout(timeout + 1):
            await wire.close()
    except (TimeoutError, WireClosedError):
        return
