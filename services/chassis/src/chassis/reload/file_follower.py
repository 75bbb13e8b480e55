"""Reloads when the files change, and on SIGHUP."""

import asyncio
from contextlib import aclosing
from typing import Protocol

from chassis.logs import Logger
from chassis.reload.file_watch import Watched, watch_files
from chassis.reload.outcome import Outcome, Reloaded, ReloadError

RETRY = 5.0  # seconds before a change that a part did not answer to is tried again


class Reloads(Protocol):
    """What is asked: `Reloader`."""

    async def reload(self, asker: str) -> Reloaded:
        """Raises ReloadError, which it has logged."""


class FileFollower:
    """Follows from `begin` to `end`. What is wrong with a changed file is logged, and the old configuration stays."""

    def __init__(self, reloader: Reloads, files: Watched, log: Logger) -> None:
        self._reloader = reloader
        self._files = files
        self._log = log
        self._following: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watches the files from now on."""
        self._following = asyncio.create_task(self._follow(), name="follow the configuration")

    def look_again(self) -> None:
        """Reloads in the background."""
        self._looking = asyncio.create_task(self._reload("SIGHUP"), name="reload on SIGHUP")

    async def end(self) -> None:
        """Watches no more."""
        await end_task(self._following)
        await end_task(self._looking)

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(watch_files(self._files)) as changes:
                    async for _ in changes:
                        await self._reload("file")
            except Exception as error:  # noqa: BLE001  the outermost loop of the task: nobody else would watch the files
                self._log.error("watching the configuration crashed", exc_info=error)
                await asyncio.sleep(RETRY)

    async def _reload(self, asker: str) -> None:
        """Until it is clear what the change comes to: a part that is restarting is no reason to miss it."""
        while True:
            try:
                await self._reloader.reload(asker)
            except ReloadError as error:
                if error.outcome is not Outcome.INCOMPLETE:
                    return
            else:
                return
            await asyncio.sleep(RETRY)


async def end_task(task: "asyncio.Task[None] | None") -> None:
    """Cancels a task and waits for its end."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
