"""A reply over HTTP/1.1: unary with its length, streams chunked as `text/event-stream` with pings while nothing comes, and other
bodies chunked as they come."""

import asyncio
from collections.abc import Callable
from time import monotonic

from chassis.errors import RunestoneError
from gateway_edge.door.errors import error_headers, http_status
from gateway_edge.endpoints.voice import Voice
from gateway_edge.endpoints.voices import OPENAI
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.request import Request
from gateway_edge.http1.response import LAST_CHUNK, write_chunk, write_head, write_length
from gateway_edge.reply import STREAM_HEADERS

PING_INTERVAL = 10.0
LAST_WORDS = 1.0  # seconds that an error may take to be sent


class HttpReply:
    """Writes the answer to one request. `server_timing` is asked once, when the headers go; what the gateway itself has to say is
    said in `voice`, of the call `call_id`.

    What is sent in one go is whole events, so that a ping never stands inside one. `is_whole` says that the end was sent, after
    which nothing more is.
    """

    def __init__(
        self,
        request: Request,
        connection: Connection,
        server_timing: Callable[[], str],
        *,
        voice: Voice = OPENAI,
        call_id: str = "",
        ping_interval: float = PING_INTERVAL,
    ) -> None:
        self.headers: dict[str, str] = {}
        self.bytes_sent = 0
        self.first_byte_at: float | None = None
        self.has_begun = False
        self.is_whole = False
        self._request = request
        self._connection = connection
        self._server_timing = server_timing
        self.voice = voice
        self._call_id = call_id
        self._ping_interval = ping_interval
        self._is_chunked = not request.is_http_1_0
        self._is_stream = False
        self._content_type = ""  # of a body in parts that are no events
        self._last = b""  # events that were sent
        self._is_ending = False  # the end is on its way
        self._is_quiet = True  # nothing was sent since the last look
        self._next_ping: asyncio.TimerHandle | None = None

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer. Raises RuntimeError where a stream has begun."""
        if self._is_ending:
            return
        if self._is_stream:
            raise RuntimeError("a stream has begun; it cannot become a document")
        headers = {**self.headers, "content-type": content_type, "server-timing": self._server_timing()}
        head = write_head(status, headers, framing=write_length(len(body)), keeps_alive=self._connection.keeps_alive)
        self._note(len(body))
        self._is_ending = True
        await self._connection.write(head if self._request.method == "HEAD" else head + body)
        self.is_whole = True

    async def write(self, events: bytes) -> None:
        """Sends whole events, or a part of another body."""
        if not events or self._is_ending:
            return
        self._last = events
        data = self._frame(events)
        if not self._is_stream:
            data = self._begin_stream() + data
        self._note(len(events))
        self._is_quiet = False
        await self._connection.write(data)

    async def begin(self, content_type: str) -> None:
        """Makes a body in parts of what `write` is given. Raises RuntimeError where an answer has begun."""
        if self.has_begun:
            raise RuntimeError("an answer has begun; it cannot become another")
        self.stop_pinging()
        self._content_type = content_type

    def expect_events(self) -> None:
        """Begins to ping."""
        if self._next_ping is None:
            self._set_ping()

    async def close(self) -> None:
        """Ends the stream."""
        self.stop_pinging()
        if self._is_ending:
            return
        await self._end_with(b"" if self._is_stream else self._begin_stream())

    async def fail(self, error: RunestoneError) -> None:
        """Tells the client of `error`: as a status while nothing was sent, else as the stream's last event, after which
        the connection ends. Never sends `[DONE]`. A client that does not take it is cut off; so is one that has a part of a body
        where no event can stand."""
        self.stop_pinging()
        if self.is_whole:
            return
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self._send_error(error)
        except TimeoutError:
            self._connection.cut()

    def stop_pinging(self) -> None:
        """Stops what still runs for this reply."""
        if self._next_ping is not None:
            self._next_ping.cancel()
            self._next_ping = None

    async def _send_error(self, error: RunestoneError) -> None:
        if not self.has_begun:
            self.headers.update(error_headers(error))
            await self.send(self.voice.write_body(error, self._call_id), status=http_status(error))
        elif self._is_ending or not self._is_stream or self._content_type:
            raise TimeoutError  # behind the end, or behind a part of a document, no error can stand
        else:
            self._request.keeps_alive = False
            await self._end_with(self._frame(self.voice.write_event(error, self._call_id, self._last)))

    async def _end_with(self, last: bytes) -> None:
        self._is_ending = True
        await self._connection.write(last + LAST_CHUNK if self._is_chunked else last)
        self.is_whole = True

    def _begin_stream(self) -> bytes:
        self._is_stream = self.has_begun = True
        if not self._is_chunked:
            self._request.keeps_alive = False
        own = {"content-type": self._content_type} if self._content_type else STREAM_HEADERS
        headers = {**self.headers, **own, "server-timing": self._server_timing()}
        framing = "transfer-encoding: chunked\r\n" if self._is_chunked else ""
        return write_head(200, headers, framing=framing, keeps_alive=self._connection.keeps_alive)

    def _frame(self, events: bytes) -> bytes:
        return write_chunk(events) if self._is_chunked else events

    def _set_ping(self) -> None:
        self._is_quiet = True
        self._next_ping = asyncio.get_running_loop().call_later(self._ping_interval, self._ping)

    def _ping(self) -> None:
        if self._is_quiet:
            ping = self._frame(self.voice.ping)
            self._connection.write_aside(ping if self._is_stream else self._begin_stream() + ping)
        self._set_ping()

    def _note(self, size: int) -> None:
        self.has_begun = True
        if self.first_byte_at is None:
            self.first_byte_at = monotonic()
        self.bytes_sent += size
