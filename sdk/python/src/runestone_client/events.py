"""What happens in a room, in the order in which all its members hear it."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from runestone_client.errors import ReadTooSlowlyError, RunestoneError
from runestone_client.presence import PresenceChanged
from runestone_client.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomMessage:
    """Somebody says something: `body` is any JSON. `at` are milliseconds since 1970, `position` the place in the room's order."""

    position: int
    sender: str
    ref: str
    at: int
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomAnswer:
    """A model was asked, and this is the whole answer; None where it was too long for the room."""

    position: int
    sender: str
    ref: str
    at: int
    answer: Any
    note: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """Somebody asked a model. `stream` is None for one that was over before this client came."""

    position: int
    stream_id: str
    sender: str
    ref: str
    at: int
    model: str
    note: Any = None
    stream: Stream | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSteered:
    """Somebody paused, resumed or cancelled a stream."""

    position: int
    stream_id: str
    what: Literal["paused", "resumed", "cancelled"]
    by: str


RoomEvent = RoomMessage | RoomAnswer | StreamStarted | StreamSteered | PresenceChanged


class Events:
    """An async iterator over a room's events from now on, for one reader. Raises what ended the room, ReadTooSlowlyError when more than
    `most` wait. `async with` ends it."""

    def __init__(self, most: int, forget: Callable[["Events"], None]) -> None:
        self._most, self._forget = most, forget
        self._waiting: deque[RoomEvent] = deque()
        self._news = asyncio.Event()
        self._error: RunestoneError | None = None

    def tell(self, event: RoomEvent) -> None:
        """One more."""
        if len(self._waiting) >= self._most:
            self.end(ReadTooSlowlyError(f"more than {self._most} events of the room wait to be read"))
        elif self._error is None:
            self._waiting.append(event)
            self._news.set()

    def end(self, error: RunestoneError) -> None:
        """There are no more."""
        self._error = self._error or error
        self._forget(self)
        self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RoomEvent:
        """Waits as long as nothing happens in the room."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget(self)
