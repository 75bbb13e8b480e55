"""Listening over HTTP/1.1, in the clear or over TLS, and stopping without cutting a call."""

import asyncio
import socket
from typing import Protocol, Self

from gateway_edge.door.door import Door
from gateway_edge.door.running import RunningCalls
from gateway_edge.http1.connections import Bounds, Connections
from gateway_edge.http1.tls import HandshakeBounds, TlsServer, open_context
from gateway_edge.settings import EdgeSettings

LAST_WORDS = 2.0  # seconds to tell clients that their calls were ended
LAST_BYTES = 0.5  # seconds to send what is on its way
BACKLOG = 1024


class DoorBounds(Bounds, HandshakeBounds, Protocol):
    """What may come in at once: connections, and handshakes of those that are to be."""


class HttpListener:
    """A listening socket around a door, for which calls are `running`. It is open inside `async with`; `drain` first, to stop
    without cutting a call."""

    def __init__(self, door: Door, running: RunningCalls, settings: EdgeSettings, bounds: DoorBounds) -> None:
        self._running = running
        self._settings = settings
        self._bounds = bounds
        self._connections = Connections(door.handle, bounds, repeat=door.repeat)
        self._server: asyncio.Server | TlsServer

    async def __aenter__(self) -> Self:
        tls = self._settings.tls
        context = open_context(tls) if tls else None
        listening = _open_socket(self._settings)
        if context is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._connections, sock=listening, backlog=BACKLOG)
        else:
            self._server = TlsServer(listening, context, self._connections, self._bounds)
            self._server.start()
        return self

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._server.sockets[0].getsockname()[1])

    async def drain(self, grace: float) -> None:
        """Waits for balancers to notice, then stops accepting, then gives running calls up to `grace` seconds."""
        await asyncio.sleep(self._settings.drain_delay)
        self._server.close()
        self._connections.close_idle()
        await self._running.wait_until_empty(grace)
        self._running.end_all()
        await self._running.wait_until_empty(LAST_WORDS)

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        await self._connections.close(LAST_BYTES)
        if isinstance(self._server, TlsServer):
            await self._server.wait_closed()

    def __repr__(self) -> str:
        return f"HttpListener({self._connections!r})"


def _open_socket(settings: EdgeSettings) -> socket.socket:
    """The inherited socket, or one of its own. Raises OSError when the address cannot be had."""
    if settings.socket is not None:
        return socket.socket(fileno=settings.socket)
    found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)
