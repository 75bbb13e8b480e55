"""Notices that the configuration's files changed: by the kernel's word, and by looking now and then.

The files themselves are watched, not their folders: a log or a database beside them would wake the process with every line. So
the kernel tells when a file is written, replaced or removed (also when Kubernetes clears away what a swapped link led to), and not
when one appears or a link is turned; a look finds these.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Protocol

from watchfiles import awatch

STEP, SETTLE = 100, 200  # milliseconds: the kernel is asked so often, in a thread; several changes are one for at most
STILL = 0.05  # seconds in which files that changed have to stay the same: what is being written is not read by halves
LONGEST_WRITING = 1.0  # seconds after which it is read all the same
LOOK = 0.5  # seconds between two looks


class Watched(Protocol):
    """What is watched: `Source`."""

    @property
    def is_stale(self) -> bool:
        """Whether it is to be read again."""

    def look(self) -> Mapping[Path, object]:
        """How its files are now, None for one that is not there: equal looks are equal files."""


async def watch_files(watched: Watched) -> AsyncGenerator[None]:
    """Yields whenever `watched` is stale. Never ends by itself: cancelling, or closing it, does."""
    while True:
        seen = watched.look()
        async with aclosing(_stirrings([path for path, identity in seen.items() if identity])) as stirrings:
            async for _ in stirrings:
                if watched.is_stale:
                    await _wait_until_still(watched)
                    yield
                if watched.look() != seen:
                    break


async def _wait_until_still(watched: Watched) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_WRITING):
            before = None
            while (now := watched.look()) != before:
                before = now
                await asyncio.sleep(STILL)


async def _stirrings(files: list[Path]) -> AsyncGenerator[None]:
    """Yields at every change of `files`, and every `LOOK` seconds."""
    with suppress(OSError):  # no watch can be had (their number is bounded, a file is gone): looking remains
        if files:
            changes = awatch(
                *files,
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
