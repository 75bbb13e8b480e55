"""Messages on their way to the gateway, and how many may be."""

import asyncio
from collections.abc import Callable
from typing import Any

from runestone_client.errors import QueueFullError

Heard = Callable[[Any, bool], None]


class Push:
    """One message and its reply. `is_repeatable`: doing it twice is doing it once, so it is sent again where it is not known whether it was
    done. `heard` is told a response that is ok before anything that comes behind it, and whether anybody still waits for it."""

    __slots__ = ("event", "heard", "is_repeatable", "is_sent", "payload", "ref", "reply")

    def __init__(self, event: str, payload: str, *, is_repeatable: bool = False, heard: Heard | None = None) -> None:
        self.event, self.payload, self.is_repeatable, self.heard = event, payload, is_repeatable, heard
        self.ref = ""
        self.is_sent = False
        self.reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def succeed(self, response: Any) -> None:
        """It was done."""
        is_awaited = not self.reply.done()
        if self.heard is not None:
            self.heard(response, is_awaited)
        if is_awaited:
            self.reply.set_result(response)

    def fail(self, error: Exception) -> None:
        """Nobody may be waiting, which is fine."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()

    @property
    def size(self) -> int:
        """Characters, of which most are a byte."""
        return len(self.payload) + 64

    def __repr__(self) -> str:
        return f"Push({self.event!r}, ref={self.ref!r}, {'sent' if self.is_sent else 'waiting'})"


class Quota:
    """How much may wait to be sent or answered, for a whole client."""

    def __init__(self, count: int, size: int) -> None:
        self._count, self._size = count, size
        self.count = self.size = 0

    def take(self, size: int) -> None:
        """Raises QueueFullError."""
        if self.count >= self._count or self.size + size > self._size:
            raise QueueFullError(f"{self.count} messages ({self.size} bytes) wait already; this one was not taken")
        self.count += 1
        self.size += size

    def give_back(self, size: int) -> None:
        """As it was taken."""
        self.count -= 1
        self.size -= size
