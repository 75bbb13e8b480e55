"""One connection: requests are answered in order by one task, which the client's leaving cancels.

Callbacks change state and wake the task; it waits for one thing at a time. While a call runs nobody reads more than
`READ_AHEAD` bytes that are not asked for.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from chassis.config.schema import Protection
from chassis.errors import Reason, RunestoneError
from gateway_edge.http1.parser import RequestParser
from gateway_edge.http1.request import Request
from gateway_edge.http1.response import CONTINUE

READ_AHEAD = 256 << 10  # bytes of body that wait for their reader before the socket is read no further
LINGER = 2.0  # seconds in which what a client still sends is read and dropped, so that it reads the answer
FLUSH = 30.0  # seconds that a closed connection may take to send what is left
NEVER = float("inf")
MAPPED = "::ffff:"  # before an IPv4 address, where the socket takes both (RFC 4291, section 2.5.5.2)

RESET = struct.pack(
    "ii", 1, 0
)  # lingering for 0 seconds: what is not sent yet is dropped, and a reset sent (socket(7))

LARGEST_SEGMENT = 64 << 10  # bytes of a request that is looked for among those answered before

Handle = Callable[[Request, "Connection"], Awaitable[None]]
Repeat = Callable[
    [bytes, str], bytes | None
]  # the answer to a request that was answered before, for a client's address


def never(_segment: bytes, _address: str) -> None:
    """Nothing was answered before."""


class Registry(Protocol):
    """Who keeps the connections, and whether they are to end: each with its next answer, or those, too, that wait for a request."""

    is_leaving: bool
    is_closing: bool

    def add(self, connection: "Connection") -> None:
        """A connection was opened."""

    def remove(self, connection: "Connection | Heir") -> None:
        """It is closed."""

    def hand_over(self, connection: "Connection", heir: "Heir") -> None:
        """Keeps `heir` in its place."""


class Heir(Protocol):
    """An asyncio protocol that a connection goes on as, and what whoever keeps the connections has to know of it."""

    client_address: str
    expires_at: float

    @property
    def phase(self) -> str:
        """What it does, when it is given up for that; empty while it is not given up yet."""

    def expire(self, answer: bytes) -> None:
        """Ends it: its time is over."""

    def abort(self) -> None:
        """Closes the socket at once."""

    def close_if_idle(self) -> None:
        """Closes it where nobody would miss it."""

    def take_over(self, transport: asyncio.Transport, registry: "Registry", rest: bytes) -> None:
        """The transport is its own from now on; `rest` is what has come for it already."""


class Connection(asyncio.Protocol):
    """Answers one connection's requests through `handle`. `expires_at` is the loop time at which it has been silent for too
    long; whoever keeps the connections ends it then."""

    def __init__(
        self,
        registry: Registry,
        handle: Handle,
        loop: asyncio.AbstractEventLoop,
        protection: Protection,
        repeat: Repeat = never,
    ) -> None:
        self.client_address = ""
        self.expires_at = NEVER
        self.is_open = False
        self._registry = registry
        self._handle = handle
        self._repeat = repeat
        self._loop = loop
        self._protection = protection
        self._parser = RequestParser(protection.max_header_size, protection.max_headers)
        self._waiter: asyncio.Future[None] | None = None
        self._request: Request | None = None  # the one being answered
        self._is_choked = False
        self._is_paused = False
        self._is_dropping = False
        self._refusal = b""

    # What a call does with it.

    def close_if_idle(self) -> None:
        """Closes it unless a request is being answered or waits to be."""
        if self.is_open and self._request is None and not self._parser.ready:
            self._transport.close()

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection goes on after the answer to the running request."""
        request = self._request
        return request is not None and request.keeps_alive and request.is_whole and not self._registry.is_leaving

    async def read_body(self, most: int, timeout: float) -> bytes:
        """The running request's body. Raises BODY_TOO_LARGE as soon as it is known to be above `most` bytes,
        REQUEST_TIMEOUT when it is not whole within `timeout` seconds or comes too slowly; the connection ends then."""
        request = self._request
        assert request is not None
        if request.size > most or (not request.is_whole and request.announced_size > most):
            raise _too_large(most)
        if not request.is_whole:
            try:
                await self._gather(request, most, timeout)
            except TimeoutError as error:
                raise RunestoneError(Reason.REQUEST_TIMEOUT, "the request body did not arrive in time") from error
        if request.fault is not None:
            raise request.fault
        return request.take()

    async def write(self, data: bytes) -> None:
        """Sends `data`; waits while the client reads too slowly. Raises ConnectionResetError when it is gone."""
        if not self.is_open:
            raise ConnectionResetError("the client is gone")
        self._transport.write(data)
        while self._is_choked:
            await self._wait()

    def write_aside(self, data: bytes) -> None:
        """Sends `data` unless the client is gone or reads too slowly."""
        if self.is_open and not self._is_choked:
            self._transport.write(data)

    def hand_over(self, heir: Heir) -> None:
        """Ends HTTP on it: `heir` has the transport from now on. Raises ConnectionResetError when the client is gone."""
        if not self.is_open or self._request is None:
            raise ConnectionResetError("the client is gone")
        rest = self._request.take()
        self._read_on()
        self.is_open = False
        self._parser.close()
        self._registry.hand_over(self, heir)
        self._transport.set_protocol(cast("asyncio.Protocol", heir))
        heir.take_over(self._transport, self._registry, rest)

    def refuse(self, answer: bytes) -> None:
        """Answers whatever it asks with `answer`, the connection's last; it has a moment to ask."""
        self._is_dropping, self._refusal = True, answer
        self.expires_at = self._loop.time() + LINGER

    @property
    def phase(self) -> str:
        """What it does while no request is being answered: `headers` come, it is `idle`, or `closing`."""
        if self._is_dropping or self._parser.is_over:
            return "closing"
        return "idle" if self._parser.is_idle else "headers"

    def expire(self, answer: bytes) -> None:
        """Ends it with `answer`, or at once when that is empty."""
        if not answer or not self.is_open:
            self.abort()
            return
        self._transport.write(answer)
        self._parser.close()
        self._wake()

    def abort(self) -> None:
        """Closes the socket at once."""
        if self.is_open:
            self._transport.abort()

    def cut(self) -> None:
        """Resets the connection at once, so that whoever reads knows that what came was not all: without chunks or a length, a
        closed connection would be the body's end (RFC 9112, section 6.3)."""
        if self.is_open:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.client_address = peer[0].removeprefix(MAPPED) if isinstance(peer, tuple) else ""
        self.is_open = True
        self.expires_at = self._loop.time() + self._protection.header_timeout
        self._registry.add(self)
        if not self._is_dropping:
            self._task = self._loop.create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        if self._is_dropping:
            self._tell_refusal()
            return
        is_between = self._request is None and self._parser.is_idle and not self._parser.ready
        if is_between and len(data) <= LARGEST_SEGMENT and self._answer_again(data):
            return
        if self._request is None:
            self.expires_at = min(self.expires_at, self._loop.time() + self._protection.header_timeout)
        self._parser.feed(data)
        if is_between and self._parser.is_idle:
            self._note_segment(data)
        if self._is_full() and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self.is_open = False
        self._parser.close()
        self._registry.remove(self)
        if self._request is not None:
            self._task.cancel()
        self._wake()

    def pause_writing(self) -> None:
        self._is_choked = True

    def resume_writing(self) -> None:
        self._is_choked = False
        self._wake()

    # The task.

    async def _serve(self) -> None:
        try:
            while (request := await self._next()) is not None:
                self._request, self.expires_at = request, NEVER
                await self._handle(request, self)
                if not self.keeps_alive:
                    await self._linger(request)
                    break
                self._rest()
        except (asyncio.CancelledError, ConnectionError):
            self.abort()
        finally:
            self._request, self.expires_at = None, self._loop.time() + FLUSH
            if self.is_open:
                self._transport.close()

    async def _next(self) -> Request | None:
        """The next request; None when there will be none."""
        ready = self._parser.ready
        while not ready:
            if not self.is_open or self._parser.is_over or self._registry.is_closing:
                return None
            self._read_on()
            await self._wait()
        request = ready.popleft()
        self._read_on()
        return request

    def _rest(self) -> None:
        patience = self._protection.idle_timeout if self._parser.is_idle else self._protection.header_timeout
        self._request, self.expires_at = None, self._loop.time() + patience

    async def _gather(self, request: Request, most: int, timeout: float) -> None:
        begun_at = self._loop.time()
        async with asyncio.timeout_at(begun_at + self._patience(0, timeout)) as patience:
            if request.headers.get("expect", "").lower() == "100-continue" and not request.size:
                await self.write(CONTINUE)  # RFC 9110, section 10.1.1: not before the headers were found good
            while not request.is_whole and request.fault is None:
                if request.size > most:
                    raise _too_large(most)
                self._read_on()
                await self._wait()
                patience.reschedule(begun_at + self._patience(request.size, timeout))
        if request.size > most:
            raise _too_large(most)

    def _patience(self, size: int, timeout: float) -> float:
        """Seconds that a body of which `size` bytes have come may take until its next bytes."""
        protection = self._protection
        if not protection.min_body_rate:
            return timeout
        return min(timeout, protection.body_grace + size / protection.min_body_rate)

    async def _linger(self, request: Request) -> None:
        """Reads on for a while without keeping what comes: a socket closed with bytes unread resets the connection, and the
        client may never see its answer (RFC 9112, section 9.6)."""
        if request.is_whole or not self.is_open:
            return
        self._is_dropping = True
        request.take()
        self._end_writing()
        self.expires_at = self._loop.time() + LINGER
        self._read_on()
        while self.is_open:
            await self._wait()

    def _end_writing(self) -> None:
        if self._transport.can_write_eof():  # over TLS the answer's length has to say it
            self._transport.write_eof()

    def _answer_again(self, data: bytes) -> bool:
        """Answers a request that was answered before where it arrives: what these bytes are between two requests does not depend on
        what came before them. Says whether it did."""
        if self._is_choked or self._registry.is_leaving or not self.is_open:
            return False
        answer = self._repeat(data, self.client_address)
        if answer is None:
            return False
        self._transport.write(answer)
        self._rest()
        return True

    def _note_segment(self, data: bytes) -> None:
        ready = self._parser.ready
        if len(ready) == 1 and ready[0].is_whole and ready[0].keeps_alive and len(data) <= LARGEST_SEGMENT:
            ready[0].segment = data

    def _is_full(self) -> bool:
        ready = self._parser.ready
        return len(ready) > 1 or any(request.size > READ_AHEAD for request in (*ready, self._request) if request)

    def _tell_refusal(self) -> None:
        answer, self._refusal = self._refusal, b""
        if answer and self.is_open:
            self._transport.write(answer)
            self._end_writing()

    def _read_on(self) -> None:
        if self._is_paused and self.is_open:
            self._is_paused = False
            self._transport.resume_reading()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __repr__(self) -> str:
        return f"Connection({self.client_address}, {self._request or 'idle' if self.is_open else 'closed'})"


def _too_large(most: int) -> RunestoneError:
    return RunestoneError(Reason.BODY_TOO_LARGE, f"the request body is larger than {most} bytes")
