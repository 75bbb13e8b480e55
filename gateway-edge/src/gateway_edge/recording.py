"""A reply that keeps a copy of what passes, up to a bound."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from gateway_edge.reply import Reply


class RecordingReply:
    """Passes everything on at once and remembers the body. Above `max_bytes` it stops remembering, not passing on.

    `on_whole` gets the body and its media type just before the client is sent the end, so that whoever has seen the
    answer can rely on what `on_whole` began.
    """

    def __init__(self, inner: Reply, max_bytes: int, on_whole: Callable[[bytes, str], None]) -> None:
        self._inner = inner
        self._left = max_bytes
        self._on_whole = on_whole
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        """Headers and what was sent so far are the inner reply's."""
        return getattr(self._inner, name)

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Passes a whole answer on."""
        self._keep(body)
        if status == HTTPStatus.OK:
            self._end(content_type)
        await self._inner.send(body, content_type, status)

    async def write(self, events: bytes) -> None:
        """Passes events on."""
        self._keep(events)
        await self._inner.write(events)

    def expect_events(self) -> None:
        """Passes the expectation on."""
        self._inner.expect_events()

    async def close(self) -> None:
        """Ends the stream."""
        self._end("text/event-stream")
        await self._inner.close()

    def _keep(self, part: bytes) -> None:
        self._left -= len(part)
        if self._left >= 0:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _end(self, content_type: str) -> None:
        if self._left >= 0:
            self._on_whole(b"".join(self._parts), content_type)
