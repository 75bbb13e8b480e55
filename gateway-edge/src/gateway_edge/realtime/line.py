"""The client's side of a session: what it says, waiting to be taken, and what it is told."""

import asyncio
from collections import deque
from time import monotonic

import orjson

from chassis.errors import RunestoneError
from gateway_edge.door.errors import error_body
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.realtime.codes import code_of_error, code_to_send
from gateway_edge.websocket.application import Socket
from gateway_edge.websocket.codes import TRY_LATER
from runestone.realtime.v1.realtime_pb2 import Message

MOST_WAITING = 256 << 10  # bytes that wait to be taken; then nothing more is read from the client
LARGEST_BATCH = 256 << 10
LONGEST_WAIT = (
    30.0  # seconds that the provider may take nothing; a client whose connection is lost is not noticed meanwhile
)
OVERHEAD = 512  # bytes that a message takes beside its body; measured, CPython 3.11 with protobuf 7


class Line:
    """A call's last reply, and what a session needs besides: messages both ways. Nothing is sent but whole messages, so that an error may
    stand behind any. Closed by `finish`, or by `fail` with the error as an event before."""

    def __init__(self, socket: Socket) -> None:
        self.headers: dict[str, str] = {}
        self.voice = OPENAI
        self.bytes_sent = 0
        self.first_byte_at: float | None = None
        self.has_begun = False
        self.is_whole = False
        self.closed_with: tuple[int, str] | None = None
        self._socket = socket
        self._said: deque[Message] = deque()
        self._waiting = 0
        self._news = asyncio.Event()
        self._is_told = False
        self._giving_up: asyncio.TimerHandle | None = None

    def hear(self, message: str | bytes) -> None:
        """The client says something."""
        is_binary = isinstance(message, bytes)
        body = message if isinstance(message, bytes) else message.encode()
        self._said.append(Message(body=body, binary=is_binary))
        self._waiting += len(body) + OVERHEAD
        if self._waiting > MOST_WAITING and self._giving_up is None:
            self._socket.pause_reading()
            self._giving_up = asyncio.get_running_loop().call_later(LONGEST_WAIT, self._give_up)
        self._news.set()

    def hang_up(self, code: int, reason: str) -> None:
        """The client has closed; what it said before is still taken."""
        self.closed_with = (code, reason)
        self._news.set()

    async def take(self) -> list[Message]:
        """What the client has said, as soon as there is something; nothing once it has closed."""
        while not self._said and self.closed_with is None:
            self._news.clear()
            await self._news.wait()
        batch: list[Message] = []
        size = 0
        while self._said and size < LARGEST_BATCH:
            batch.append(self._said.popleft())
            size += len(batch[-1].body) + OVERHEAD
        self._waiting -= size
        if self._waiting <= MOST_WAITING and self._giving_up is not None:
            self.stop_pinging()
            self._socket.resume_reading()
        return batch

    async def tell(self, message: Message) -> None:
        """Passes one of the provider's messages on. Waits while the client reads slowly; raises ConnectionError when it is gone."""
        self.has_begun = True
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        self.bytes_sent += len(message.body)
        send = self._socket.send_binary if message.binary else self._socket.send
        send(message.body)
        await self._socket.drain()

    def finish(self, code: int, reason: str) -> None:
        """Passes the provider's end on."""
        self.is_whole = self._is_told = True
        self._socket.close(code_to_send(code), reason)

    def pass_on_end(self, code: int, reason: str) -> None:
        """The same for a session that failed: the provider's own words stand for the error."""
        self._is_told = True
        self._socket.close(code_to_send(code), reason)

    async def fail(self, error: RunestoneError) -> None:
        """Tells of `error` as OpenAI's API does, and closes."""
        if not self._is_told:
            self._is_told = True
            self._socket.send(write_error(error))
            self._socket.close(code_of_error(error), error.message)

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:  # noqa: ARG002  a reply's signature
        """No document can be sent here. Raises RuntimeError."""
        raise RuntimeError("a realtime session is answered with messages")

    async def begin(self, content_type: str) -> None:  # noqa: ARG002  a reply's signature
        """Nor a body in parts. Raises RuntimeError."""
        raise RuntimeError("a realtime session is answered with messages")

    async def write(self, events: bytes) -> None:  # noqa: ARG002  a reply's signature
        """Nor server-sent events. Raises RuntimeError."""
        raise RuntimeError("a realtime session is answered with messages")

    def expect_events(self) -> None:
        """Nothing: WebSockets need no pings of ours."""

    async def close(self) -> None:
        """See `finish`."""
        self.is_whole = True

    def stop_pinging(self) -> None:
        """Stops what still runs for it."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        """What the client says is not taken."""
        self._socket.close(TRY_LATER, "the provider takes nothing of what you send")


def write_error(error: RunestoneError) -> bytes:
    """OpenAI's error event."""
    return orjson.dumps({"type": "error", "event_id": None, **orjson.loads(error_body(error))})
