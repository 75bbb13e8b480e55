"""The way back of a stream that is read on: what the client has is left out, what it is sent can be held back."""

from typing import Protocol

from gateway_edge.reply import PassingReply, Reply
from gateway_edge.streams.gates import Gate


class Taking(Protocol):
    """What is made of events before they are sent."""

    def take(self, events: bytes) -> bytes:
        """Of whole events those that the client gets."""

    def check_end(self) -> None:
        """Raises INVALID_REQUEST for a client that claims to have more than there is."""


class StreamReply(PassingReply):
    """Sends of a stream what `taking` makes of it, through `gate`. Any other answer passes as it is."""

    def __init__(self, inner: Reply, gate: Gate, taking: Taking) -> None:
        super().__init__(inner)
        self._gate = gate
        self._taking: Taking = taking
        self._is_events = True

    async def begin(self, content_type: str) -> None:
        """Passes on what kind of body follows; it has no events."""
        self._is_events = False
        await self.inner.begin(content_type)

    async def write(self, events: bytes) -> None:
        """Sends what the client does not have. Waits while the stream is paused."""
        if self._is_events:
            events = self._taking.take(events)
        if not self._gate.is_open:
            await self._gate.passing()
        await self.inner.write(events)

    async def close(self) -> None:
        """Ends a stream that is whole. Raises INVALID_REQUEST where the client claimed to have more."""
        if self._is_events:
            self._taking.check_end()
        if not self._gate.is_open:
            await self._gate.passing()
        await self.inner.close()
