"""The way back to the client, as middleware sees it: one whole body, or a stream of events."""

from typing import Protocol


class Reply(Protocol):
    """An answer being sent. Headers may be set until it has begun. A middleware that watches or changes an answer puts
    a reply of its own in front of this one."""

    headers: dict[str, str]
    bytes_sent: int
    first_byte_at: float | None  # on the monotonic clock

    @property
    def has_begun(self) -> bool:
        """Whether status and headers are on their way, so that only events can follow."""

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer. Waits while the client reads slowly; raises ConnectionError when it is gone."""

    async def write(self, events: bytes) -> None:
        """Sends whole SSE events, beginning the stream with the first. Waits and raises as `send` does."""

    def expect_events(self) -> None:
        """Says that a stream will follow and its first event may take a while: the client is sent pings meanwhile."""

    async def close(self) -> None:
        """Ends a stream that is whole."""
