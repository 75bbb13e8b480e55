"""Tasks that outlive who began them, with an owner."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

LAST_WORDS = 2.0  # seconds


class Tasks:
    """Owns tasks until they are over. Who began one may wait for it; what nobody waits for fails unheard, having told of it itself."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Result]) -> "asyncio.Task[Result]":
        """Runs `work`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    async def stop(self, grace: float) -> None:
        """Ends what still runs, and waits for that up to `grace` seconds."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=min(grace, LAST_WORDS))

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    def __repr__(self) -> str:
        return f"Tasks({len(self._tasks)})"
