"""Wakes everybody who waits now, and nobody who begins to wait later."""

import asyncio


class Bell:
    """Between looking at what it tells of and `wait` nothing may be awaited, so that no change is missed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Something changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Returns at the next change."""
        await self._next.wait()
