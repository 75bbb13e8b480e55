"""Holds back what a stream's reader is sent: at once, where it is delivered."""

import asyncio

from chassis.errors import Reason, RunestoneError


class Gate:
    """Open until it is paused. Who delivers waits in front of it, and so reads no further: the provider's socket is not read either once what
    is in between is full. A pause lasts at most `window` seconds."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._paused_until = 0.0  # on the loop's clock
        self._error: RunestoneError | None = None

    @property
    def is_paused(self) -> bool:
        """Whether who comes has to wait."""
        return not self._is_open.is_set()

    def pause(self) -> None:
        """Lets nothing more through. What is paused stays so no longer for that, and what has ended is not paused."""
        if self._error is None and not self.is_paused:
            self._is_open.clear()
            self._paused_until = asyncio.get_running_loop().time() + self.window

    def resume(self) -> None:
        """Lets through what waits."""
        self._is_open.set()

    def end(self, error: RunestoneError) -> None:
        """Whoever waits, or comes, gets `error`."""
        self._error = error
        self._is_open.set()

    async def wait(self) -> None:
        """Returns when what comes may pass, at once while it is open. Raises DEADLINE_EXCEEDED when it has been paused for the window, and the
        error that it was ended with."""
        while self.is_paused:
            await self._wait(self._paused_until)
        if self._error is not None:
            raise self._error

    async def _wait(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._is_open.wait()
        except TimeoutError as error:
            if self.is_paused and self._paused_until == until:
                message = f"the stream was paused for longer than {self.window:g} s"
                raise RunestoneError(Reason.DEADLINE_EXCEEDED, message) from error
