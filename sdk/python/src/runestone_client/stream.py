"""One answer of a model as it comes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from runestone_client.closing import Closing
from runestone_client.cursor import Chunk, Cursor
from runestone_client.errors import (
    EventsLostError,
    ReadTooSlowlyError,
    ReplyTimeoutError,
    RunestoneError,
    StreamCancelledError,
)

StreamState = Literal["running", "complete", "failed", "cancelled"]
Action = Literal["pause", "resume", "cancel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who answers, where it is known: the provider and its model, how the cache stands to it, the headers that an HTTP answer would have;
    in a room who asked (`sender`), when (milliseconds since 1970), and the note that came with it."""

    provider: str | None = None
    model: str | None = None
    cache: str | None = None
    headers: dict[str, str] | None = None
    sender: str | None = None
    at: int | None = None
    note: Any = None


class Steering(Protocol):
    """Whose stream it is: a session or a room."""

    async def steer(self, stream_id: str, action: Action) -> None:
        """Asks the gateway."""


class Stream(Closing):
    """An async iterator over its chunks, for one reader. A lost connection does not end it, nor is anything lost or read twice. Behind the last
    chunk stand `usage`, `cost` (dollars) and `finish_reason`; each may be None: unknown is not zero.

    It raises what ended it when it is not whole: StreamCancelledError, ProviderError, ...; EventsLostError, ReadTooSlowlyError,
    ReplyTimeoutError when nothing comes for long. Cancelling a task that waits for a chunk leaves the stream as it is: `aclose`, or the
    end of `async with`, cancels it at the provider unless it is over."""

    def __init__(self, stream_id: str, steering: Steering, *, max_unread: int, idle_timeout: float) -> None:
        self.id = stream_id
        self.state: StreamState = "running"
        self.is_paused = False
        self.origin = Origin()
        self.usage: dict[str, Any] | None = None
        self.cost: float | None = None
        self.finish_reason: str | None = None
        self._steering, self._max_unread, self._idle_timeout = steering, max_unread, idle_timeout
        self._cursor = Cursor()
        self._unread: deque[tuple[Chunk, int]] = deque()
        self._unread_bytes = 0
        self._texts: list[str] = []
        self._news = asyncio.Event()
        self._error: RunestoneError | None = None

    @property
    def text(self) -> str:
        """What the model has said so far, read or not."""
        if len(self._texts) > 1:
            self._texts[:] = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    @property
    def last_seq(self) -> int:
        """The number of the last event that came."""
        return self._cursor.last

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""
        return self.state != "running"

    async def pause(self) -> None:
        """Holds delivery back at once, then the provider. A few chunks may be on their way. After the gateway's `pause_window` it ends."""
        await self._steering.steer(self.id, "pause")
        self.is_paused = True

    async def resume(self) -> None:
        """Lets it go on."""
        await self._steering.steer(self.id, "resume")
        self.is_paused = False

    async def cancel(self) -> None:
        """Ends it, for everybody, down to the provider's socket."""
        await self._steering.steer(self.id, "cancel")

    async def aclose(self) -> None:
        """Cancels it unless it is over; that it ended meanwhile, or cannot be told to, is no error here."""
        if not self.is_over:
            try:
                await self.cancel()
            except RunestoneError:
                self.end(StreamCancelledError("the stream was closed here"), "cancelled")

    async def finish(self) -> str:
        """Reads to the end, and returns the whole text."""
        async for _ in self:
            pass
        return self.text

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self.is_over:
                raise StopAsyncIteration
            await self._wait()
        chunk, size = self._unread.popleft()
        self._unread_bytes -= size
        return chunk

    async def _wait(self) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(self._idle_timeout):
                await self._news.wait()
        except TimeoutError:
            raise ReplyTimeoutError(f"stream {self.id} said nothing for {self._idle_timeout} s") from None

    # What its session or room tells it.

    def take(self, payload: dict[str, Any], size: int) -> None:
        """Chunks came, in a message of `size` bytes."""
        if self.is_over:
            return
        try:
            chunks = self._cursor.take(payload)
        except EventsLostError as error:
            self.end(error)
            return
        for chunk in chunks:
            self._texts.append(chunk.text)
        if self._unread_bytes + size > self._max_unread:
            self.end(ReadTooSlowlyError(f"more than {self._max_unread} bytes of stream {self.id} wait to be read"))
            return
        share = -(-size // max(len(chunks), 1))
        self._unread.extend((chunk, share) for chunk in chunks)
        self._unread_bytes += share * len(chunks)
        self._news.set()

    def complete(self, payload: dict[str, Any]) -> None:
        """It is whole."""
        if not self.is_over:
            self.usage, self.cost = payload.get("usage"), payload.get("cost")
            self.finish_reason, self.state = payload.get("finish_reason"), "complete"
            self._news.set()

    def end(self, error: RunestoneError, state: StreamState = "failed") -> None:
        """It is not whole, and will not be."""
        if not self.is_over:
            self._error, self.state = error, state
            self._news.set()

    def __repr__(self) -> str:
        return f"Stream({self.id!r}, {self.state}, {self.last_seq} events, {len(self._unread)} unread)"


class Asking:
    """A stream that is asked for: await it to have the `Stream`, or iterate it, or open it with `async with`. Leaving that loop or block early,
    by whatever way, cancels it at the provider; of a room's, for everybody."""

    def __init__(self, begin: Callable[[], Awaitable[Stream]]) -> None:
        self._begin = begin
        self._stream: Stream | None = None

    def __await__(self) -> Generator[Any, None, Stream]:
        return self._begin().__await__()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        async with await self._begin() as stream:
            async for chunk in stream:
                yield chunk

    async def __aenter__(self) -> Stream:
        self._stream = await self._begin()
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.aclose()
