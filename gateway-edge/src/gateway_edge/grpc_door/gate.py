"""What a caller pauses and resumes."""

import asyncio

from chassis.errors import Reason, RunestoneError


class Gate:
    """Open until it is paused. Who waits at it is held for at most `window` seconds from the pause on."""

    def __init__(self, window: float) -> None:
        self.window = window
        self._open = asyncio.Event()
        self._open.set()
        self._paused_until = 0.0  # on the loop's clock

    @property
    def is_paused(self) -> bool:
        """Whether who comes has to wait."""
        return not self._open.is_set()

    def pause(self) -> None:
        """Closes it. One that is closed stays so no longer for that."""
        if not self.is_paused:
            self._open.clear()
            self._paused_until = asyncio.get_running_loop().time() + self.window

    def resume(self) -> None:
        """Opens it."""
        self._open.set()

    async def wait_until_open(self) -> None:
        """Returns at once while it is open. Raises DEADLINE_EXCEEDED when it has been closed for the window."""
        while self.is_paused:
            until = self._paused_until
            try:
                async with asyncio.timeout_at(until):
                    await self._open.wait()
            except TimeoutError:
                if self.is_paused and self._paused_until == until:
                    message = f"the call was paused for longer than {self.window:g} s"
                    raise RunestoneError(Reason.DEADLINE_EXCEEDED, message) from None
