"""One connection to a server, and one exchange on it at a time.

The parser's and the socket's callbacks change state and wake the one task that uses the connection; that task waits, with a
deadline, for whatever comes next. What came while it did not look travels together.
"""

import asyncio
import select
from collections.abc import Callable
from typing import cast

from provider_svc.carrier import Tap
from provider_svc.http1.faults import ClosedEarly, WireFault
from provider_svc.http1.reply import Reply
from provider_svc.http1.waiting import Waiting

READ_AHEAD = 64 << 10  # bytes of a body that wait for their reader before the socket is read no further
PIECE = 256 << 10  # a larger request is written in pieces, so that it does not hold up the loop


class Connection(asyncio.Protocol):
    """A connection that a pool keeps. `on_lost` is called once, when it is closed for whatever reason.

    `give_back` is what `release` calls, the pool's to write. `idle_limit` is how many seconds the server says it keeps it idle, None when it does not say; `idle_until` is the loop
    time up to which it may be used again, and the pool's to write. `peer` is the address that it leads to.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: "Callable[[Connection], None]") -> None:
        self.is_open = False
        self.peer: tuple[str, int] | None = None
        self.time = loop.time
        self.born = loop.time()
        self.idle_limit: float | None = None
        self.idle_until = 0.0
        self.exchanges = 0
        self.give_back: Callable[[Connection], None] = Connection.abort
        self._on_lost = on_lost
        self._reply: Reply | None = None
        self._failure: WireFault | None = None
        self._is_unsent = False  # part of the request has not left this process
        self._is_choked = False  # the socket takes no more for now
        self._is_paused = False  # the socket is not read for now
        self._tap: Tap | None = None
        self._idle = self._expires = 0.0  # what bounds the tap's waits
        self._waiting = Waiting(loop)

    # What the task that uses the connection calls.

    async def begin(self, head: bytes, body: bytes, deadline: float) -> Reply:
        """Sends a request; the reply is there once its head is.

        Raises ClosedEarly, Malformed, or TimeoutError at the loop time `deadline`. The exchange is over only when `end` or
        `abort` was called, also when this raises or is cancelled.
        """
        if not self.is_open:
            raise ClosedEarly(is_repeatable=True)  # between being given to a task and the task's next step
        self._reply = reply = Reply()
        self.exchanges += 1
        if len(body) <= PIECE:
            self._write(head + body)
        else:
            await self._send(head, memoryview(body), deadline)
        while not reply.has_head:
            await self._wait(deadline)
        return reply

    def take(self) -> bytes:
        """What of the body has come; b"" when nothing has. Raises what ended the answer early, behind what came before."""
        assert self._reply is not None
        block = self._reply.take()
        if not block and self._failure is not None and not self._reply.is_whole:
            raise self._failure
        if self._is_paused and self.is_open:
            self._is_paused = False
            self._transport.resume_reading()
        return block

    async def wait(self, deadline: float) -> None:
        """Returns when there may be more to take. Raises TimeoutError at the loop time `deadline`, and what `take` does."""
        reply = self._reply
        assert reply is not None
        while not reply.size and not reply.is_whole:
            await self._wait(deadline)

    async def wait_beside(self, tap: Tap, deadline: float, idle: float, expires: float) -> None:
        """Lets `tap` take what comes in the callback that brings it, until it returns False. Returns then, and when anything
        else may have happened: the body's end, or nothing at all.

        Raises as `wait`, TimeoutError at the loop time `deadline`, which each time that something comes moves `idle` seconds away
        from then, `expires` at the latest.
        """
        self._tap, self._idle, self._expires = tap, idle, expires
        try:
            await self._wait(deadline)
        finally:
            self._tap = None

    def end(self) -> bool:
        """Ends the exchange. Whether the connection can carry another: the answer was read to its end, the request was sent
        to its end, and both sides keep the connection (RFC 9112, section 9.3)."""
        reply, self._reply = self._reply, None
        self.idle_limit = reply.idle_limit if reply is not None else None
        is_clean = reply is not None and reply.is_whole and reply.keeps_alive and not reply.size
        return is_clean and self.is_open and not self._is_unsent and not self._is_choked

    def release(self) -> None:
        """Gives the connection back, which ends the exchange."""
        self.give_back(self)

    def is_quiet(self) -> bool:
        """Whether nothing waits in the socket: no end, and no bytes that nobody asked for. The kernel is asked, for the
        loop may not have looked yet."""
        return self.is_open and not self._poll.poll(0)

    def abort(self) -> None:
        """Closes the socket at once, whatever waits to be written; who waits for an answer is told."""
        if self.is_open:
            self._transport.abort()
            self._close(None)

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)  # so that `_is_choked` means that something is not out
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        peer = transport.get_extra_info("peername")
        self.peer = peer[:2] if isinstance(peer, tuple) else None
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            self.abort()  # nobody asked for it
            return
        try:
            reply.feed(data)
        except WireFault as fault:
            self._fail(fault)
            return
        if self._tap is not None and not reply.is_whole and self._runs_off(reply, self._tap):
            return
        if reply.size > READ_AHEAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._waiting.wake()

    def eof_received(self) -> None:
        """Lets the transport close: nothing that is worth hearing comes from a server that has said its end."""
        self._hear_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._close(exc)

    def pause_writing(self) -> None:
        self._is_choked = True

    def resume_writing(self) -> None:
        self._is_choked = False
        self._waiting.wake()

    # The rest is between the two.

    def _runs_off(self, reply: Reply, tap: Tap) -> bool:
        """Whether nobody has to be woken for what came: the tap took it and takes more, or it was nothing of the body."""
        if not reply.size:
            return True
        self._waiting.move(min(self.time() + self._idle, self._expires))
        if tap(reply.take()):
            return True
        self._tap = None
        return False

    async def _send(self, head: bytes, body: memoryview, deadline: float) -> None:
        """Writes as the socket takes it. An answer that comes before all is out is worth more than the rest."""
        self._is_unsent = True
        self._write(head)
        for start in range(0, len(body), PIECE):
            self._write(body[start : start + PIECE])
            while self._is_choked:
                await self._wait(deadline)
                if self._reply is None or self._reply.has_head:
                    return
        self._is_unsent = False

    def _write(self, data: bytes | memoryview) -> None:
        if self._failure is not None:
            raise self._failure
        self._transport.write(data)

    async def _wait(self, deadline: float) -> None:
        """Returns when anything has happened. Raises TimeoutError, and what ended the exchange early."""
        if self._failure is not None:
            raise self._failure
        await self._waiting.wait(deadline)

    def _hear_end(self) -> None:
        if self._reply is None or self._reply.is_whole:
            return
        try:
            self._reply.feed_end()
        except ClosedEarly:
            self._fail(ClosedEarly(is_repeatable=self._is_repeatable()))

    def _is_repeatable(self) -> bool:
        is_unsent = self._is_unsent or self._is_choked
        was_kept = self.exchanges > 1 or self.idle_until > 0
        return is_unsent and was_kept and self._reply is not None and not self._reply.has_begun

    def _fail(self, fault: WireFault) -> None:
        self._failure = self._failure or fault
        self._transport.abort()
        self._waiting.wake()

    def _close(self, exc: Exception | None) -> None:
        """Notes that the socket is gone. A reset is not an end, so it does not complete what ends with the connection."""
        if not self.is_open:
            return
        self.is_open = False
        self._waiting.close()
        if self._reply is not None and not self._reply.is_whole and self._failure is None:
            self._failure = ClosedEarly(is_repeatable=self._is_repeatable())
            self._failure.__cause__ = exc
        self._waiting.wake()
        self._on_lost(self)

    def __repr__(self) -> str:
        state = "busy" if self._reply is not None else "idle" if self.is_open else "closed"
        return f"Connection({state}, {self.exchanges} exchanges)"
