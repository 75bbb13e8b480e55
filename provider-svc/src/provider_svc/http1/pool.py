"""The connections to one origin: kept alive, bounded, and given out in the order in which they are asked for."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from provider_svc.http1.connection import Connection
from provider_svc.http1.faults import ConnectTimeout, QueueFull

Dial = Callable[[Callable[[Connection], None], float], Awaitable[Connection]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a pool. `idle` and `age` in seconds: how long a connection may wait for its next use, and how old it may
    be at it, so that changed addresses are noticed."""

    connections: int = 4_096
    waiting: int = 8_192
    idle: float = 30.0
    age: float = 600.0


class Pool:
    """Gives each call a connection of its own, the one used last first. Each that was given out comes back by `release`.

    A place is a connection that is open or being opened; there are `limits.connections` of them.
    """

    def __init__(self, dial: Dial, limits: Limits) -> None:
        self._dial = dial
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._places = 0
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()  # the longest unused first
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None

    def take_idle(self) -> Connection | None:
        """A connection that can be used at once; None when there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_until > self._loop.time() and connection.is_quiet():
                return connection
            self._discard(connection)
        return None

    async def acquire(self, deadline: float) -> Connection:
        """A connection: an idle one, a new one, or when there is no place the next that is free, first come, first served.

        Raises what dialing raises, QueueFull at once, ConnectTimeout at the loop time `deadline`.
        """
        if (connection := self.take_idle()) is not None:
            return connection
        if self._places >= self._limits.connections:
            connection = await self._wait_for_place(deadline)
        else:
            self._places += 1
        return connection or await self._open_one(deadline)

    def release(self, connection: Connection) -> None:
        """Ends a use. A connection that cannot be used again is closed at once."""
        if not connection.end() or self._loop.time() - connection.born > self._limits.age:
            self._discard(connection)
        else:
            self._hand_on(connection)

    def drop_idle(self) -> None:
        """Closes what is idle, because one of them turned out to be stale."""
        while self._idle:
            self._discard(self._idle.pop())

    def close(self) -> None:
        """Closes all connections, those in use as well."""
        self.drop_idle()
        for connection in list(self._open):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()

    def count_open(self) -> int:
        """Open connections, idle ones included."""
        return len(self._open)

    async def _open_one(self, deadline: float) -> Connection:
        """A new connection for a place that is taken already."""
        try:
            connection = await self._dial(self._forget, deadline)
        except BaseException:
            self._leave_place()
            raise
        if connection.is_open:  # it may be lost already
            self._open.add(connection)
        return connection

    async def _wait_for_place(self, deadline: float) -> Connection | None:
        """A connection that another call has done with, or None: a place for a new one."""
        if len(self._waiting) >= self._limits.waiting:
            raise QueueFull(f"all {self._limits.connections} connections are in use, and too many calls wait for one")
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except TimeoutError as exc:
            self._give_back(waiter)
            raise ConnectTimeout(f"had none of its {self._limits.connections} connections free") from exc
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise

    def _give_back(self, waiter: "asyncio.Future[Connection | None]") -> None:
        """Undoes a wait that was given up, perhaps in the moment in which it was granted."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        if not waiter.done() or waiter.cancelled():
            return
        if (connection := waiter.result()) is not None:
            self._hand_on(connection)
        else:
            self._leave_place()

    def _next_waiter(self) -> "asyncio.Future[Connection | None] | None":
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                return waiter
        return None

    def _hand_on(self, connection: Connection) -> None:
        """Gives a connection to who has waited longest, or keeps it; less long than its server says, for then both might
        close it in the moment of its next use."""
        if (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
            return
        limit = connection.idle_limit
        keep = self._limits.idle if limit is None else min(self._limits.idle, limit - 1.0)
        connection.idle_until = self._loop.time() + keep
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_at(connection.idle_until, self._close_unused)

    def _close_unused(self) -> None:
        """Closes what has been idle for too long, and comes back when the next will have been."""
        self._sweep = None
        now = self._loop.time()
        while self._idle and self._idle[0].idle_until <= now:
            self._discard(self._idle.popleft())
        if self._idle:
            self._sweep = self._loop.call_at(self._idle[0].idle_until, self._close_unused)

    def _discard(self, connection: Connection) -> None:
        """Closes a connection that is neither idle nor in use, and gives its place away."""
        connection.abort()
        self._leave_place()

    def _leave_place(self) -> None:
        """Gives a place to who has waited longest."""
        if (waiter := self._next_waiter()) is not None:
            waiter.set_result(None)
        else:
            self._places -= 1

    def _forget(self, connection: Connection) -> None:
        """A connection was closed; one in use keeps its place until it is released."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
            self._leave_place()

    def __repr__(self) -> str:
        return f"Pool({len(self._open)} open, {len(self._idle)} idle, {len(self._waiting)} waiting)"
