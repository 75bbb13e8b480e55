"""What is no longer to be given, in this process's memory: gone with it, and with it the epoch."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator

from cache_svc.changes import Changes, Mark
from cache_svc.store import Selection
from chassis.bell import Bell

KEPT = 10_000  # changes that a follower may be behind before he has to drop everything
LETTER = 1_000  # changes in one message at most
HEARTBEAT = 1.0  # seconds


class MemoryLog:
    """The last `kept` changes. A follower has a place in it and no queue of his own, so that one who is slow takes no memory:
    what he missed is told in one reset.

    `epoch` is never given twice, or a follower of an earlier process would believe that he had heard of this one's changes.
    """

    def __init__(self, epoch: str, *, kept: int = KEPT, heartbeat: float = HEARTBEAT) -> None:
        self._epoch = epoch
        self._heartbeat = heartbeat
        self._version = 0
        self._changes: deque[Selection] = deque(maxlen=kept)
        self._news = Bell()

    @property
    def mark(self) -> Mark:
        """The last change."""
        return Mark(self._epoch, self._version)

    async def add(self, selection: Selection) -> Mark:
        """Never waits."""
        self._version += 1
        self._changes.append(selection)
        self._news.ring()
        return self.mark

    async def follow(self, after: Mark | None) -> AsyncGenerator[Changes]:
        """Up to `LETTER` changes at a time, and those that are there without a wait."""
        place = after
        while True:
            changes = self._list_behind(place)
            yield changes
            place = changes.mark
            if place == self.mark:
                await self._wait()

    def _list_behind(self, place: Mark | None) -> Changes:
        if place is None:  # who keeps nothing has nothing to drop
            return Changes(self.mark)
        behind = self._version - place.version
        if place.epoch != self._epoch or not 0 <= behind <= len(self._changes):
            return Changes(self.mark, is_reset=True)
        told = min(behind, LETTER)
        dropped = tuple(self._changes[index - behind] for index in range(told))
        return Changes(Mark(self._epoch, place.version + told), dropped)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._heartbeat):
                await self._news.wait()

    def __repr__(self) -> str:
        return f"MemoryLog({self._version} changes, the last {len(self._changes)} kept)"
