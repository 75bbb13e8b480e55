"""A reply that keeps a copy of what passes, up to a bound, and when it did."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from time import monotonic

from msgspec import Struct

from gateway_edge.reply import PassingReply, Reply

EVENTS = "text/event-stream"


class Recording(Struct, frozen=True):
    """An answer as it passed: its parts, and when each did on the monotonic clock. A part of a stream is whole events."""

    parts: list[bytes]
    moments: list[float]
    content_type: str

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(map(len, self.parts))

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.parts)


class RecordingReply(PassingReply):
    """Passes everything on at once and remembers it. Above `max_bytes` it stops remembering, not passing on.

    `on_whole` gets the recording just before the client is sent the end, and is awaited, so that whoever has
    seen the answer can rely on what it did. It is not called for an answer above the bound, or with another status than 200.
    `has_passed` says whether anything was sent on.
    """

    def __init__(self, inner: Reply, max_bytes: int, on_whole: Callable[[Recording], Awaitable[None]]) -> None:
        super().__init__(inner)
        self._left = max_bytes
        self._on_whole = on_whole
        self._parts: list[bytes] = []
        self._moments: list[float] = []
        self._content_type = EVENTS
        self.has_passed = False

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Passes a whole answer on."""
        self._keep(body)
        if status == HTTPStatus.OK:
            await self._end(content_type)
        await self.inner.send(body, content_type, status)

    async def begin(self, content_type: str) -> None:
        """Passes on what kind of body follows."""
        self._content_type = content_type
        await self.inner.begin(content_type)

    async def write(self, events: bytes) -> None:
        """Passes events on."""
        self._keep(events)
        await self.inner.write(events)

    async def close(self) -> None:
        """Ends the stream."""
        await self._end(self._content_type)
        await self.inner.close()

    def _keep(self, part: bytes) -> None:
        self.has_passed = True
        self._left -= len(part)
        if self._left >= 0:
            self._parts.append(part)
            self._moments.append(monotonic())
        else:
            self._parts.clear()

    async def _end(self, content_type: str) -> None:
        if self._left >= 0:
            await self._on_whole(Recording(self._parts, self._moments, content_type))
