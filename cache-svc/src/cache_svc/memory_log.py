"""What is no longer to be given, in this process's memory: gone with it, and with it the epoch."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from cache_svc.changes import Changes, Mark
from cache_svc.history import KEPT, History
from cache_svc.store import Selection
from chassis.bell import Bell

HEARTBEAT = 1.0  # seconds


class MemoryLog:
    """The last `kept` changes. `epoch` is never given twice, or a follower of an earlier process would believe that he had heard of
    this one's changes."""

    def __init__(self, epoch: str, *, kept: int = KEPT, heartbeat: float = HEARTBEAT) -> None:
        self._history = History(epoch, kept=kept)
        self._heartbeat = heartbeat
        self._news = Bell()

    @property
    def mark(self) -> Mark:
        """The last change."""
        return self._history.mark

    async def add(self, selection: Selection) -> Mark:
        """Never waits."""
        self._history.append(selection)
        self._news.ring()
        return self.mark

    async def follow(self, after: Mark | None) -> AsyncGenerator[Changes]:
        """Up to `LETTER` changes at a time, and those that are there without a wait."""
        place = after
        while True:
            changes = self._history.list_behind(place)
            yield changes
            place = changes.mark
            if place == self.mark:
                await self._wait()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._heartbeat):
                await self._news.wait()

    def __repr__(self) -> str:
        return f"MemoryLog({self._history!r})"
