"""The way back of one turn: events as messages of the socket."""

import re
from time import monotonic

from chassis.errors import RunestoneError
from chassis.sse import find_ends
from gateway_edge.endpoints.voices import RESPONSES
from gateway_edge.responses_socket.envelope import write_document, write_error, write_event
from gateway_edge.websocket.application import Socket

_NUMBER = re.compile(rb'"sequence_number" ?: ?(\d+)')


class SocketReply:
    """Sends one turn's answer on `socket`, in its `lane`. A client that reads slowly holds the call up, and nobody else."""

    def __init__(self, socket: Socket, lane: str | None) -> None:
        self.voice = RESPONSES
        self.headers: dict[str, str] = {}
        self.bytes_sent = 0
        self.first_byte_at: float | None = None
        self.has_begun = False
        self.is_whole = False
        self._socket = socket
        self._lane = lane
        self._last = b""  # events that were sent

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:  # noqa: ARG002  a reply's signature
        """Sends a whole answer. Raises RuntimeError where a stream has begun."""
        if self.has_begun:
            raise RuntimeError("a stream has begun; it cannot become a document")
        await self._put([write_document(body, self._lane)])
        self.is_whole = True

    async def begin(self, content_type: str) -> None:
        """Raises RuntimeError: on this socket there are events only."""
        raise RuntimeError(f"a body of {content_type} cannot be sent on a Responses socket")

    async def write(self, events: bytes) -> None:
        """Sends whole events, each as a message. Waits while the client reads slowly; raises ConnectionResetError when it is gone."""
        if self.is_whole or not events:
            return
        self._last = events
        start, messages = 0, []
        for end in find_ends(events):
            if message := write_event(events[start:end], self._lane):
                messages.append(message)
            start = end
        await self._put(messages)

    def expect_events(self) -> None:
        """A WebSocket needs no pings of the call's."""

    async def close(self) -> None:
        """The turn is over: its last event said so."""
        self.has_begun = self.is_whole = True

    async def fail(self, error: RunestoneError) -> None:
        """Tells the client of `error`, as the turn's last message."""
        if not self.is_whole:
            numbers = _NUMBER.findall(self._last)
            self._socket.send(write_error(error, self._lane, number=int(numbers[-1]) + 1 if numbers else None))
            self.has_begun = self.is_whole = True

    def stop_pinging(self) -> None:
        """Nothing runs for this reply."""

    async def _put(self, messages: list[bytes]) -> None:
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        self.has_begun = True
        for message in messages:
            self.bytes_sent += len(message)
            self._socket.send(message)
        await self._socket.drain()
