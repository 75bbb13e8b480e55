"""The way back to the client, as middleware sees it: one whole body, a stream of events, or a body of another kind in parts."""

from typing import Protocol

from gateway_edge.endpoints.voice import Voice

DROPPED = "x-runestone-dropped"  # which members of the request could not be carried to the provider
EXPERIMENT = "x-runestone-experiment"  # which arm of which experiment the call is in
ROUTE = "x-runestone-route"  # which route answers, where that is not the model's own
WHY = "x-runestone-why"  # why the target was chosen
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold events back
}


class Reply(Protocol):
    """An answer being sent. Headers may be set until it has begun. A middleware that watches or changes an answer puts
    a reply of its own in front of this one. `voice` is how the gateway itself speaks in it."""

    headers: dict[str, str]
    voice: Voice

    @property
    def bytes_sent(self) -> int:
        """Of the body, to the client."""

    @property
    def first_byte_at(self) -> float | None:
        """When the client was sent the first byte, on the monotonic clock."""

    @property
    def has_begun(self) -> bool:
        """Whether status and headers are on their way, so that only events can follow."""

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer. Waits while the client reads slowly; raises ConnectionError when it is gone."""

    async def begin(self, content_type: str) -> None:
        """Says that what is written will be no events, but the parts of a body of this kind. It may be cut anywhere, and when the
        call fails before `close` the client's connection is. Raises RuntimeError where something was sent."""

    async def write(self, events: bytes) -> None:
        """Sends whole SSE events, or after `begin` any part, beginning the answer with the first. Waits and raises as `send` does."""

    def expect_events(self) -> None:
        """Says that a stream will follow and its first event may take a while: the client is sent pings meanwhile."""

    async def close(self) -> None:
        """Ends a stream, or a body in parts, that is whole."""


class PassingReply:
    """A reply that stands in front of another and passes everything on: what middleware that changes answers derives from."""

    def __init__(self, inner: Reply) -> None:
        self.inner = inner
        self.headers = inner.headers

    @property
    def voice(self) -> Voice:
        """How the gateway itself speaks."""
        return self.inner.voice

    @voice.setter
    def voice(self, voice: Voice) -> None:
        self.inner.voice = voice

    @property
    def bytes_sent(self) -> int:
        """Of the body, to the client."""
        return self.inner.bytes_sent

    @property
    def first_byte_at(self) -> float | None:
        """When the client was sent the first byte, on the monotonic clock."""
        return self.inner.first_byte_at

    @property
    def has_begun(self) -> bool:
        """Whether status and headers are on their way."""
        return self.inner.has_begun

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Passes a whole answer on."""
        await self.inner.send(body, content_type, status)

    async def begin(self, content_type: str) -> None:
        """Passes on what kind of body follows."""
        await self.inner.begin(content_type)

    async def write(self, events: bytes) -> None:
        """Passes whole events on; several when several came at once."""
        await self.inner.write(events)

    def expect_events(self) -> None:
        """Passes the expectation on."""
        self.inner.expect_events()

    async def close(self) -> None:
        """Passes the end of a stream on."""
        await self.inner.close()
