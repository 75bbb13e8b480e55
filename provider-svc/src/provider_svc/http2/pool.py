"""Connections to one origin that calls share where it offers HTTP/2, and the plain pool where it does not."""

import asyncio

from provider_svc.carrier import Carrier
from provider_svc.http1.connection import Connection
from provider_svc.http1.counts import Counts
from provider_svc.http1.dialing import Dialer
from provider_svc.http1.faults import ConnectTimeout, NotConnected, WireFault
from provider_svc.http1.limits import Limits
from provider_svc.http1.pool import LeadsTo, Pool
from provider_svc.http1.queue import Queue
from provider_svc.http1.warming import Warming
from provider_svc.http2.connection import SharedConnection
from provider_svc.http2.dialogue import MOST_STREAMS
from provider_svc.http2.negotiation import OFFERED, Negotiating
from provider_svc.http2.stream import Stream


class SharedPool:
    """A lender (`provider_svc.carrier`) of streams: the first connection with room takes the next call, so that those which are not
    needed fall idle. A connection that is old, or leads where the origin is no longer, takes no calls and closes behind its last.

    A server that agrees on HTTP/1.1 gets its calls from `plain`, and is offered HTTP/2 again after `limits.age`.
    """

    def __init__(self, dialer: Dialer, plain: Pool, limits: Limits, counts: Counts, leads_to: LeadsTo) -> None:
        self._dialer = dialer
        self._plain = plain
        self._limits = limits
        self._counts = counts
        self._leads_to = leads_to
        self._loop = asyncio.get_running_loop()
        self._is_plain_until = 0.0
        self._dialing = 0
        self._open: list[SharedConnection] = []
        self._queue: Queue[Stream | None] = Queue(limits.waiting, limits.connections, self._take_back)
        self._dials: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._warming = Warming(self._count_missing, self._dial, counts)

    def warm_up(self) -> None:
        """Opens one connection ahead of need, as one takes many calls, and keeps it."""
        self._warming.wake()

    def take_idle(self) -> Carrier | None:
        """A stream of a connection that is open."""
        for connection in list(self._open):
            if self._loop.time() - connection.born >= self._limits.age:
                self._retire(connection, is_moved=False)
            elif connection.count_room():
                return self._lend(connection)
        return self._plain.take_idle() if self._is_plain() else None

    async def acquire(self, deadline: float) -> Carrier:
        """A stream, or a connection of its own. Raises NotConnected, QueueFull at once, ConnectTimeout at the loop time `deadline`."""
        if (carrier := self.take_idle()) is not None:
            return carrier
        if not self._is_plain() and (stream := await self._wait(deadline)) is not None:
            return stream
        return await self._plain.acquire(deadline)

    def drop_idle(self) -> None:
        """The plain ones; a shared connection that broke is gone already."""
        self._plain.drop_idle()

    def drop_moved(self) -> None:
        """Lets what leads where the origin is no longer close behind its last call."""
        self._plain.drop_moved()
        for connection in [each for each in self._open if not self._leads_to(each.peer)]:
            self._retire(connection, is_moved=True)

    def close(self) -> None:
        """Closes all connections, those in use as well, and ends dials that are under way."""
        self._warming.close()
        for dial in self._dials:
            dial.cancel()
        for connection in list(self._open):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()
        self._plain.close()

    def count_now(self) -> dict[str, int]:
        """As `Pool.count_now`; `idle` are those without a stream, `streams` the calls that share the others."""
        plain = self._plain.count_now()
        streams = [connection.count_streams() for connection in self._open]
        return {
            "open": plain["open"] + len(streams),
            "idle": plain["idle"] + streams.count(0),
            "dialing": plain["dialing"] + self._dialing,
            "waiting": plain["waiting"] + len(self._queue),
            "streams": sum(streams),
        }

    def _is_plain(self) -> bool:
        return self._loop.time() < self._is_plain_until

    def _lend(self, connection: SharedConnection) -> Stream:
        if connection.exchanges:
            self._counts.reused.inc()
        return connection.lend()

    async def _wait(self, deadline: float) -> Stream | None:
        """A stream, or None: the server agreed on HTTP/1.1."""
        self._dial_for(len(self._queue) + 1)
        try:
            return await self._queue.wait(deadline)
        except ConnectTimeout as exc:
            if self._dialing:
                raise ConnectTimeout("did not accept a connection") from exc
            raise

    def _dial_for(self, waiting: int) -> None:
        """Opens as many connections as so many calls need; each, until it has said so, as if it took as many as any may."""
        unsettled = sum(not connection.is_settled for connection in self._open)
        while (self._dialing + unsettled) * MOST_STREAMS < waiting and len(
            self._open
        ) + self._dialing < self._limits.connections:
            self._dialing += 1
            dial = asyncio.create_task(self._dial_and_serve(), name="dial")
            self._dials.add(dial)
            dial.add_done_callback(self._dials.discard)

    async def _dial_and_serve(self) -> None:
        try:
            await self._dial(is_counted=True)
        except WireFault as fault:
            if not self._dialing and not self._open:
                self._queue.fail(fault)

    async def _dial(self, *, is_counted: bool = False) -> None:
        self._dialing += not is_counted
        try:
            opened = await self._negotiate()
        except Exception:
            self._counts.dial_failures.inc()
            raise
        finally:
            self._dialing -= 1
        self._counts.dialed.inc()
        if isinstance(opened, Connection):
            self._turn_plain(opened)
        elif opened.is_open:
            self._open.append(opened)
            self._serve(opened)
        else:
            raise NotConnected("its connection was closed at once")

    async def _negotiate(self) -> "SharedConnection | Connection":
        def make() -> Negotiating:
            return Negotiating(
                lambda: SharedConnection(self._loop, self._forget, self._serve),
                lambda: Connection(self._loop, self._plain.forget),
            )

        made = await self._dialer.open(make, OFFERED, self._loop.time() + self._limits.connect)
        if made.chosen is None:
            raise NotConnected("TLS could not be agreed on")
        return made.chosen

    def _turn_plain(self, connection: Connection) -> None:
        self._is_plain_until = self._loop.time() + self._limits.age
        self._plain.adopt(connection)
        self._plain.warm_up()
        while self._queue.serve(None):
            pass

    def _serve(self, connection: SharedConnection) -> None:
        """Gives the connection's room to who waits for it, or lets it be idle."""
        while self._queue and connection.count_room():
            stream = self._lend(connection)
            if not self._queue.serve(stream):
                stream.release()
        if connection.is_draining:
            self._warming.wake()
        if self._queue and not connection.count_room():
            self._dial_for(len(self._queue))
        elif not connection.count_streams() and self._sweep is None:
            self._sweep = self._loop.call_later(self._limits.idle, self._close_unused)

    def _take_back(self, stream: Stream | None) -> None:
        if stream is not None:
            stream.release()

    def _retire(self, connection: SharedConnection, *, is_moved: bool) -> None:
        if not connection.is_draining:
            (self._counts.moved_away if is_moved else self._counts.aged_out).inc()
            connection.drain()
            self._warming.wake()

    def _close_unused(self) -> None:
        """Closes what has been idle for too long, and comes back when the next will have been."""
        self._sweep, now, idle = None, self._loop.time(), self._limits.idle
        for connection in [each for each in self._open if not each.count_streams()]:
            if now - connection.born >= self._limits.age or not self._leads_to(connection.peer):
                self._retire(connection, is_moved=now - connection.born < self._limits.age)
            elif connection.empty_since + idle <= now and (len(self._open) > 1 or not self._limits.warm):
                self._counts.idled_out.inc()
                connection.abort()
        if any(not connection.count_streams() for connection in self._open):
            self._sweep = self._loop.call_later(max(idle / 2, 0.01), self._close_unused)

    def _count_missing(self) -> int:
        """One warm connection is enough to begin with; none is missed while the server speaks HTTP/1.1."""
        usable = sum(not connection.is_draining for connection in self._open) + self._dialing
        return int(bool(self._limits.warm) and not usable and not self._is_plain())

    def _forget(self, connection: SharedConnection) -> None:
        """A connection was closed; who waited for room on it needs another."""
        if connection in self._open:
            self._open.remove(connection)
            self._warming.wake()
            if self._queue:
                self._dial_for(len(self._queue))

    def __repr__(self) -> str:
        return f"SharedPool({', '.join(f'{number} {name}' for name, number in self.count_now().items())})"
