"""The connections to one origin: kept alive, bounded, and given out in the order in which they are asked for."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from chassis.metric_families import Count
from provider_svc.http1.connection import Connection
from provider_svc.http1.counts import Counts
from provider_svc.http1.limits import Limits
from provider_svc.http1.queue import Queue
from provider_svc.http1.warming import Warming

SHORTEST_WARM = 1.0  # seconds until a connection that is kept warm is looked at again

Dial = Callable[[Callable[[Connection], None], float], Awaitable[Connection]]
LeadsTo = Callable[[tuple[str, int] | None], bool]


class Pool:
    """Gives each call a connection of its own, the one used last first. Each that was given out comes back by `release`.

    A place is a connection that is open or being opened; there are `limits.connections` of them. `leads_to` says whether a
    peer is still one of the origin's.
    """

    def __init__(
        self, dial: Dial, limits: Limits, counts: Counts | None = None, leads_to: LeadsTo = lambda _peer: True
    ) -> None:
        self._dial = dial
        self._limits = limits
        self._counts = counts or Counts()
        self._leads_to = leads_to
        self._loop = asyncio.get_running_loop()
        self._places = self._dialing = 0
        self._open: set[Connection] = set()
        self._idle: deque[Connection] = deque()  # the longest unused first
        self._queue: Queue[Connection | None] = Queue(limits.waiting, limits.connections, self._take_back)
        self._sweep: asyncio.TimerHandle | None = None
        self._warming = Warming(self._count_missing, self._open_ahead, self._counts)

    def warm_up(self) -> None:
        """Begins to open what is to be open ahead of need, and keeps it so."""
        self._warming.wake()

    def take_idle(self) -> Connection | None:
        """A connection that can be used at once; None when there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_until > self._loop.time() and connection.is_quiet():
                return self._use(connection)
            self._discard(connection)
        return None

    async def acquire(self, deadline: float) -> Connection:
        """A connection: an idle one, a new one, or when there is no place the next that is free, first come, first served.

        Raises what dialing raises, QueueFull at once, ConnectTimeout at the loop time `deadline`.
        """
        if (connection := self.take_idle()) is not None:
            return connection
        if self._places < self._limits.connections:
            self._places += 1
        elif (connection := await self._queue.wait(deadline)) is not None:
            return self._use(connection)
        return await self._open_one(deadline)

    def release(self, connection: Connection) -> None:
        """Ends a use. A connection that cannot be used again is closed at once."""
        if not connection.end():
            self._discard(connection)
        elif self._is_old(connection):
            self._discard(connection, self._counts.aged_out)
        elif not self._leads_to(connection.peer):
            self._discard(connection, self._counts.moved_away)
        else:
            self._hand_on(connection)

    def adopt(self, connection: Connection) -> None:
        """Takes in a connection that another has opened, unless all places are taken."""
        if not connection.is_open or self._places >= self._limits.connections:
            connection.abort()
            return
        self._places += 1
        self._know(connection)
        self._hand_on(connection)

    def drop_idle(self) -> None:
        """Closes what is idle, because one of them turned out to be stale."""
        while self._idle:
            self._discard(self._idle.pop())

    def drop_moved(self) -> None:
        """Closes what is idle and leads where the origin is no longer."""
        for connection in [each for each in self._idle if not self._leads_to(each.peer)]:
            self._idle.remove(connection)
            self._discard(connection, self._counts.moved_away)

    def close(self) -> None:
        """Closes all connections, those in use as well."""
        self._warming.close()
        self.drop_idle()
        for connection in list(self._open):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()

    def count_now(self) -> dict[str, int]:
        """How many connections are open, idle and being dialed, and how many calls wait for one."""
        return {
            "open": len(self._open),
            "idle": len(self._idle),
            "dialing": self._dialing,
            "waiting": len(self._queue),
        }

    def statistics(self) -> dict[str, int]:
        """What `count_now` says, and what was counted since."""
        return {**self.count_now(), **self._counts.statistics()}

    def _use(self, connection: Connection) -> Connection:
        if connection.exchanges:
            self._counts.reused.inc()
        return connection

    async def _open_one(self, deadline: float) -> Connection:
        """A new connection for a place that is taken already."""
        self._dialing += 1
        try:
            connection = await self._dial(self.forget, deadline)
        except BaseException as exc:
            if isinstance(exc, Exception):
                self._counts.dial_failures.inc()
            self._leave_place()
            raise
        finally:
            self._dialing -= 1
        self._counts.dialed.inc()
        self._know(connection)
        return connection

    def _know(self, connection: Connection) -> None:
        connection.give_back = self.release
        if connection.is_open:  # it may be lost already
            self._open.add(connection)

    def _count_missing(self) -> int:
        return max(0, min(self._limits.warm, self._limits.connections) - self._places)

    async def _open_ahead(self) -> None:
        self._places += 1
        connection = await self._open_one(self._loop.time() + self._limits.connect)
        if connection.is_open:
            self._hand_on(connection)
        else:
            self._leave_place()

    def _take_back(self, connection: Connection | None) -> None:
        if connection is not None:
            self._hand_on(connection)
        else:
            self._leave_place()

    def _hand_on(self, connection: Connection) -> None:
        """Gives a connection to who has waited longest, or keeps it; less long than its server says, for then both might
        close it in the moment of its next use."""
        if not self._queue.serve(connection):
            limit = connection.idle_limit
            self._keep(connection, self._limits.idle if limit is None else min(self._limits.idle, limit - 1.0))

    def _keep(self, connection: Connection, seconds: float) -> None:
        connection.idle_until = min(self._loop.time() + seconds, connection.born + self._limits.age)
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_at(connection.idle_until, self._close_unused)

    def _close_unused(self) -> None:
        """Closes what has been idle for too long, and comes back when the next will have been."""
        self._sweep = None
        now = self._loop.time()
        while self._idle and self._idle[0].idle_until <= now:
            connection = self._idle.popleft()
            if self._is_old(connection):
                self._discard(connection, self._counts.aged_out)
            elif connection.idle_limit is None and len(self._open) <= self._limits.warm:
                self._keep(connection, max(self._limits.idle, SHORTEST_WARM))
            else:
                self._discard(connection, self._counts.idled_out)
        if self._idle and self._sweep is None:
            self._sweep = self._loop.call_at(self._idle[0].idle_until, self._close_unused)

    def _is_old(self, connection: Connection) -> bool:
        return self._loop.time() - connection.born >= self._limits.age

    def _discard(self, connection: Connection, count: Count | None = None) -> None:
        """Closes a connection that is neither idle nor in use, and gives its place away."""
        if count is not None:
            count.inc()
        connection.abort()
        self._leave_place()

    def _leave_place(self) -> None:
        """Gives a place to who has waited longest."""
        if not self._queue.serve(None):
            self._places -= 1
            self._warming.wake()

    def forget(self, connection: Connection) -> None:
        """A connection was closed; one in use keeps its place until it is released."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
            self._leave_place()

    def __repr__(self) -> str:
        counted = {name: number for name, number in self._counts.statistics().items() if number}
        return f"Pool({', '.join(f'{number} {name}' for name, number in {**self.count_now(), **counted}.items())})"
