"""The way back to a caller over gRPC."""

from collections.abc import Awaitable, Callable
from time import monotonic

from chassis.errors import RunestoneError
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.grpc_door.answer import write_accepted, write_events, write_parts
from gateway_edge.messages.gate import Gate
from gateway_edge.reply import STREAM_HEADERS
from runestone.gateway.v1.gateway_pb2 import CallResponse

Write = Callable[[CallResponse], Awaitable[None]]


class GrpcReply:
    """Sends an answer as messages, each when the one before is on its way, and none while its `gate` is closed. `after_seq` events were
    read before. `error` is what it was told to fail with: the end is said by whoever knows the call's outcome."""

    def __init__(self, write: Write, gate: Gate, after_seq: int = 0) -> None:
        self.headers: dict[str, str] = {}
        self.voice = OPENAI
        self.bytes_sent = 0
        self.first_byte_at: float | None = None
        self.has_begun = False
        self.is_whole = False
        self.error: RunestoneError | None = None
        self.last_seq = after_seq
        self.gate = gate
        self._write = write
        self._content_type = ""  # of a body in parts that are no events

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:  # noqa: ARG002  a reply's signature
        """Sends a whole answer. Raises RuntimeError where a stream has begun."""
        if self.has_begun:
            raise RuntimeError("a stream has begun; it cannot become a document")
        await self._begin(content_type)
        await self._send_parts(body)
        self.is_whole = True

    async def begin(self, content_type: str) -> None:
        """Makes a body in parts of what `write` is given. Raises RuntimeError where an answer has begun."""
        if self.has_begun:
            raise RuntimeError("an answer has begun; it cannot become another")
        self._content_type = content_type

    async def write(self, events: bytes) -> None:
        """Sends whole events, or a part of another body."""
        if not events or self.is_whole:
            return
        if not self.has_begun:
            await self._begin(self._content_type or STREAM_HEADERS["content-type"])
        if self._content_type:
            await self._send_parts(events)
        else:
            await self._send_events(events)

    def expect_events(self) -> None:
        """Nothing: HTTP/2 has pings of its own."""

    async def close(self) -> None:
        """Notes that the stream is whole."""
        if not self.has_begun:
            await self._begin(self._content_type or STREAM_HEADERS["content-type"])
        self.is_whole = True

    async def fail(self, error: RunestoneError) -> None:
        """Notes the error."""
        self.error = error

    def stop_pinging(self) -> None:
        """Nothing runs for this reply."""

    async def _begin(self, content_type: str) -> None:
        await self.gate.wait()
        self.has_begun = True
        await self._write(write_accepted(self.headers, content_type))

    async def _send_events(self, events: bytes) -> None:
        await self.gate.wait()
        data = write_events(events, self.last_seq + 1)
        self.last_seq += len(data.ends)
        self._note(len(events))
        await self._write(CallResponse(data=data))

    async def _send_parts(self, body: bytes) -> None:
        for part in write_parts(body):
            await self.gate.wait()
            self._note(len(part.data.body))
            await self._write(part)

    def _note(self, size: int) -> None:
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        self.bytes_sent += size
