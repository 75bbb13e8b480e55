"""Holds a stream back: at once, where it is delivered."""

import asyncio

from chassis.errors import Reason, RunestoneError


class Gate:
    """Open until it is paused. Who delivers waits in front of it, at most `patience` seconds, and so reads no further: the provider's
    socket is not read either once what is in between is full."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._error: RunestoneError | None = None

    @property
    def is_paused(self) -> bool:
        """Whether nothing passes."""
        return not self._is_open.is_set()

    def pause(self) -> None:
        """Lets nothing more through, but a stream's end."""
        if self._error is None:
            self._is_open.clear()

    def resume(self) -> None:
        """Lets through what waits."""
        self._is_open.set()

    def end(self, error: RunestoneError) -> None:
        """Whoever waits, or comes, gets `error`."""
        self._error = error
        self._is_open.set()

    async def wait(self) -> None:
        """Returns when what comes may pass. Raises DEADLINE_EXCEEDED when the pause took too long, and the error it was ended with."""
        if not self._is_open.is_set():
            await self._wait()
        if self._error is not None:
            raise self._error

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._is_open.wait()
        except TimeoutError as error:
            message = f"the stream was paused for longer than {self._patience:g} s"
            raise RunestoneError(Reason.DEADLINE_EXCEEDED, message) from error
