"""Notices that the configuration's files changed: by the kernel's word, and by looking now and then where none comes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Protocol

from watchfiles import awatch

STEP, SETTLE = 20, 100  # milliseconds without a further change before several are one; and at most
STILL = 0.05  # seconds in which files that changed have to stay the same: what is being written is not read by halves
LONGEST_WRITING = 1.0  # seconds after which it is read all the same
LOOK = 2.0  # seconds between two looks at files whose folder does not tell (NFS, some mounts)


class Watched(Protocol):
    """What is watched: `Source`."""

    @property
    def is_stale(self) -> bool:
        """Whether it is to be read again."""

    def look(self) -> object:
        """How its files are now: equal looks are equal files."""

    def folders(self) -> set[Path]:
        """Where its changes show."""


async def watch_files(watched: Watched) -> AsyncGenerator[None]:
    """Yields whenever `watched` is stale. Never ends by itself: cancelling, or closing it, does."""
    while True:
        folders = watched.folders()
        async with aclosing(_stirrings(folders)) as stirrings:
            async for _ in stirrings:
                if watched.is_stale:
                    await _wait_until_still(watched)
                    yield
                if watched.folders() != folders:
                    break


async def _wait_until_still(watched: Watched) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_WRITING):
            before = None
            while (now := watched.look()) != before:
                before = now
                await asyncio.sleep(STILL)


async def _stirrings(folders: set[Path]) -> AsyncGenerator[None]:
    """Yields at every change in `folders`, and every `LOOK` seconds."""
    with suppress(OSError):  # no watch can be had (their number is bounded, a folder is gone): looking remains
        if folders:
            changes = awatch(
                *folders,
                watch_filter=None,
                recursive=False,
                step=STEP,
                debounce=SETTLE,
                rust_timeout=int(LOOK * 1000),
                yield_on_timeout=True,
            )
            async with aclosing(changes):
                async for _ in changes:
                    yield
    await asyncio.sleep(LOOK)
    yield
