"""Listening over HTTP/1.1, in the clear or over TLS, and stopping without cutting a call."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol, Self

from chassis.logs import get_logger
from gateway_edge.door.running import RunningCalls
from gateway_edge.http1.connection import Handle, Repeat, never
from gateway_edge.http1.connections import SWEEP, Bounds, Connections
from gateway_edge.http1.tls import HandshakeBounds, TlsServer, keep_context
from gateway_edge.settings import Listening

LAST_WORDS = 2.0  # seconds to tell clients that their calls were ended
LAST_BYTES = 0.5  # seconds to send what is on its way
BACKLOG = 1024


class DoorBounds(Bounds, HandshakeBounds, Protocol):
    """What may come in at once: connections, and handshakes of those that are to be."""


class HttpListener:
    """A listening socket whose requests `handle` answers. It is open inside `async with`; `stop_accepting` and `Draining` first, to stop
    without cutting a call."""

    def __init__(
        self, handle: Handle, place: Listening, bounds: DoorBounds, repeat: Repeat = never, sweep: float = SWEEP
    ) -> None:
        self._place = place
        self._bounds = bounds
        self._connections = Connections(handle, bounds, sweep, repeat)
        self._server: asyncio.Server | TlsServer

    async def __aenter__(self) -> Self:
        tls = self._place.tls
        context = keep_context(tls, get_logger("edge")) if tls else None
        listening = _open_socket(self._place)
        if context is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._connections, sock=listening, backlog=BACKLOG)
        else:
            self._server = TlsServer(listening, lambda: context.current, self._connections, self._bounds)
            self._server.start()
        return self

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._server.sockets[0].getsockname()[1])

    def send_elsewhere(self) -> None:
        """Serves on, and ends each connection with its next answer."""
        self._connections.leave()

    def stop_accepting(self) -> None:
        """Takes no more connections, and ends those that wait for a request."""
        self._server.close()
        self._connections.close_idle()

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        await self._connections.close(LAST_BYTES)
        if isinstance(self._server, TlsServer):
            await self._server.wait_closed()

    def __repr__(self) -> str:
        return f"HttpListener({self._connections!r})"


class Sockets(Protocol):
    """What stays open between calls, and has to be closed in time."""

    async def drain(self, grace: float) -> None:
        """Closes all that it can within `grace` seconds; returns when nothing is open, at the latest then."""

    async def end(self) -> None:
        """Closes what is left."""


class Draining:
    """Stops all `listeners`, then what runs behind them."""

    def __init__(
        self, listeners: Sequence[HttpListener], running: RunningCalls, sockets: Sockets, *, delay: float
    ) -> None:
        self._listeners = listeners
        self._running = running
        self._sockets = sockets
        self._delay = delay

    async def __call__(self, grace: float) -> None:
        """Waits for balancers to notice, then stops accepting, then gives running calls and open sockets up to `grace` seconds.

        Clients that keep connections are sent elsewhere meanwhile: on one that is closed while it is idle a request may be on its way.
        """
        for listener in self._listeners:
            listener.send_elsewhere()
        await asyncio.sleep(self._delay)
        for listener in self._listeners:
            listener.stop_accepting()
        await asyncio.gather(self._running.wait_until_empty(grace), self._sockets.drain(grace))
        self._running.end_all()
        await self._running.wait_until_empty(LAST_WORDS)
        await self._sockets.end()


def _open_socket(place: Listening) -> socket.socket:
    """The inherited socket, or one of its own. Raises OSError when the address cannot be had."""
    if place.socket is not None:
        return socket.socket(fileno=place.socket)
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)
