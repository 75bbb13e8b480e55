"""One exchange on a connection that others use too (RFC 9113, section 5)."""

import asyncio
from typing import Protocol

from provider_svc.carrier import Tap
from provider_svc.http1.faults import ClosedEarly, WireFault
from provider_svc.http1.waiting import Waiting
from provider_svc.http2.reply import Reply


class Bearer(Protocol):
    """The connection, as a stream needs it."""

    def begin(self, stream: "Stream", head: bytes, *, ends: bool) -> int: ...
    def send(self, stream: "Stream", data: memoryview) -> int: ...
    def return_room(self, stream: "Stream", length: int) -> None: ...
    def leave(self, stream: "Stream") -> None: ...


class Stream:
    """A carrier (`provider_svc.carrier`). `release` resets the stream unless both sides have ended it; the connection lives on.

    The connection's callbacks change its state, and then call `move_on`.
    """

    def __init__(self, connection: Bearer, loop: asyncio.AbstractEventLoop) -> None:
        self.time = loop.time
        self.id = 0  # none before it has begun
        self.reply = Reply()
        self.is_sent = False  # the whole request has left
        self.taken = 0  # bytes that its window has to get back
        self._connection = connection
        self._failure: WireFault | None = None
        self._tap: Tap | None = None
        self._idle = self._expires = 0.0  # what bounds the tap's waits
        self._waiting = Waiting(loop)

    # What the task that makes the call calls.

    async def begin(self, head: bytes, body: bytes, deadline: float) -> Reply:
        """Sends a request as the windows allow. An answer that comes before all is out is worth more than the rest."""
        self.id = self._connection.begin(self, head, ends=not body)
        rest = memoryview(body)
        while rest and not self.reply.has_head:
            if not (sent := self._connection.send(self, rest)):
                await self._wait(deadline)
            rest = rest[sent:]
        self.is_sent = not rest
        while not self.reply.has_head:
            await self._wait(deadline)
        return self.reply

    def take(self) -> bytes:
        """What of the body has come; the server may send as much again."""
        block = self.reply.take()
        if block:
            self._connection.return_room(self, len(block))
        elif self._failure is not None and not self.reply.is_whole:
            raise self._failure
        return block

    async def wait(self, deadline: float) -> None:
        """Returns when there may be more to take."""
        while not self.reply.size and not self.reply.is_whole:
            await self._wait(deadline)

    async def wait_beside(self, tap: Tap, deadline: float, idle: float, expires: float) -> None:
        """Lets `tap` take what comes in the callback that brings it."""
        self._tap, self._idle, self._expires = tap, idle, expires
        try:
            await self._wait(deadline)
        finally:
            self._tap = None

    def release(self) -> None:
        """Ends the exchange."""
        self._waiting.close()
        self._connection.leave(self)

    # What the connection calls.

    def move_on(self) -> None:
        """Hands on what has come, or wakes the task for it."""
        reply = self.reply
        if self._tap is not None and not reply.is_whole and self._failure is None:
            if not reply.size:
                return
            self._waiting.move(min(self.time() + self._idle, self._expires))
            if self._tap(self.take()):
                return
            self._tap = None
        self._waiting.wake()

    def fail(self, fault: WireFault) -> None:
        """The exchange cannot come to its end, unless it has."""
        self._failure = self._failure or fault
        self._waiting.wake()

    def fail_with_connection(self, exc: Exception | None) -> None:
        """The connection is gone. A request that is not whole cannot have been processed (RFC 9113, section 8.1)."""
        fault = ClosedEarly(is_repeatable=not self.is_sent and not self.reply.has_head)
        fault.__cause__ = exc
        self.fail(fault)

    async def _wait(self, deadline: float) -> None:
        if self._failure is not None:
            raise self._failure
        await self._waiting.wait(deadline)

    def __repr__(self) -> str:
        return f"Stream({self.id}, {'whole' if self.reply.is_whole else 'open'})"
