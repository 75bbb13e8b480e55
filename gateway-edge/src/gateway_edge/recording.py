"""A reply that keeps a copy of what passes, up to a bound."""

from typing import Any

from gateway_edge.reply import Reply


class RecordingReply:
    """Passes everything on at once and remembers the body. Above `max_bytes` it stops remembering, not passing on."""

    def __init__(self, inner: Reply, max_bytes: int) -> None:
        self.content_type = ""
        self._inner = inner
        self._left = max_bytes
        self._parts: list[bytes] = []
        self._is_whole = False

    def __getattr__(self, name: str) -> Any:
        """Headers and what was sent so far are the inner reply's."""
        return getattr(self._inner, name)

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Passes a whole answer on."""
        self.content_type = content_type
        self._keep(body)
        self._is_whole = status == 200
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
        self.content_type = "text/event-stream"
        self._is_whole = True
        await self._inner.close()

    def whole_body(self) -> bytes | None:
        """All that passed, when the answer was ended and did not exceed the bound."""
        return b"".join(self._parts) if self._is_whole and self._left >= 0 else None

    def _keep(self, part: bytes) -> None:
        self._left -= len(part)
        if self._left >= 0:
            self._parts.append(part)
        else:
            self._parts.clear()
