"""A reply over HTTP/1.1: unary with its length, streams chunked as `text/event-stream` with pings while nothing comes."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from chassis.errors import RunestoneError
from gateway_edge.http_errors import error_body, error_event, error_headers, http_status

PING = b": ping\n\n"
PING_INTERVAL = 10.0
LAST_WORDS = 1.0  # seconds that an error may take to be sent
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would hold events back
}


class HttpReply:
    """Writes one answer to one aiohttp request. `server_timing` is asked once, when the headers go.

    Events and pings never mix: both go through one lock, and a ping is sent only between whole events.
    """

    def __init__(
        self, request: web.BaseRequest, server_timing: Callable[[], str], ping_interval: float = PING_INTERVAL
    ) -> None:
        self.headers: dict[str, str] = {}
        self.bytes_sent = 0
        self.first_byte_at: float | None = None
        self._request = request
        self._server_timing = server_timing
        self._ping_interval = ping_interval
        self._response: web.StreamResponse | None = None
        self._lock = asyncio.Lock()
        self._pinging: asyncio.Task[None] | None = None
        self._is_over = False

    @property
    def has_begun(self) -> bool:
        """Whether the headers are out."""
        return self._response is not None

    @property
    def response(self) -> web.StreamResponse:
        """What aiohttp wants back from its handler."""
        assert self._response is not None, "every call is answered"
        return self._response

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer."""
        headers = {**self.headers, "content-type": content_type, "server-timing": self._server_timing()}
        self._response = web.Response(body=body, status=status, headers=headers)
        self._note(len(body))
        await self._response.prepare(self._request)
        await self._response.write_eof()
        self._is_over = True

    async def write(self, events: bytes) -> None:
        """Sends whole events."""
        async with self._lock:
            await self._begin_stream()
            self._note(len(events))
            await self.response.write(events)

    def expect_events(self) -> None:
        """Begins to ping."""
        if self._pinging is None:
            self._pinging = asyncio.create_task(self._ping())

    async def close(self) -> None:
        """Ends the stream."""
        await self._stop_pinging()
        async with self._lock:
            await self._begin_stream()
            await self.response.write_eof()
            self._is_over = True

    async def fail(self, error: RunestoneError) -> None:
        """Tells the client of `error`: as a status while nothing was sent, else as the stream's last event, after which
        the connection ends. Never sends `[DONE]`. A client that does not take it is cut off."""
        await self._stop_pinging()
        if self._is_over:
            return
        try:
            await asyncio.wait_for(self._send_error(error), LAST_WORDS)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()

    async def _send_error(self, error: RunestoneError) -> None:
        if not self.has_begun:
            self.headers.update(error_headers(error))
            await self.send(error_body(error), status=http_status(error))
        elif isinstance(self._response, web.Response):
            raise TimeoutError  # a document of which a part was sent cannot end otherwise
        else:
            async with self._lock:
                await self.response.write(error_event(error))
                self.response.force_close()
                await self.response.write_eof()

    async def abandon(self) -> None:
        """Stops what still runs for a client that is gone."""
        await self._stop_pinging()

    async def _begin_stream(self) -> None:
        if self._response is None:
            headers = {**self.headers, **STREAM_HEADERS, "server-timing": self._server_timing()}
            response = web.StreamResponse(status=200, headers=headers)
            self._response = response
            await response.prepare(self._request)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._ping_interval)
            async with self._lock:
                await self._begin_stream()
                await self.response.write(PING)

    async def _stop_pinging(self) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.gather(self._pinging, return_exceptions=True)
            self._pinging = None

    def _note(self, size: int) -> None:
        if self.first_byte_at is None:
            self.first_byte_at = asyncio.get_running_loop().time()
        self.bytes_sent += size
