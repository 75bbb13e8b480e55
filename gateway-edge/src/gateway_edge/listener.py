"""Listening over HTTP/1.1, and stopping without cutting a call."""

import asyncio
import socket
from typing import Self

from gateway_edge.door import Door
from gateway_edge.http1.connections import Bounds, Connections
from gateway_edge.settings import EdgeSettings

LAST_WORDS = 2.0  # seconds to tell clients that their calls were ended
LAST_BYTES = 0.5  # seconds to send what is on its way
BACKLOG = 1024


class HttpListener:
    """A listening socket around a door. It is open inside `async with`; `drain` first, to stop without cutting a call."""

    def __init__(self, door: Door, settings: EdgeSettings, bounds: Bounds) -> None:
        self._door = door
        self._settings = settings
        self._connections = Connections(door.handle, bounds)

    async def __aenter__(self) -> Self:
        loop, settings = asyncio.get_running_loop(), self._settings
        if settings.socket is not None:
            inherited = socket.socket(fileno=settings.socket)
            self._server = await loop.create_server(self._connections, sock=inherited, backlog=BACKLOG)
        else:
            self._server = await loop.create_server(
                self._connections, settings.host, settings.port, backlog=BACKLOG, reuse_address=True
            )
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
        await self._door.wait_until_empty(grace)
        self._door.end_running()
        await self._door.wait_until_empty(LAST_WORDS)

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        await self._connections.close(LAST_BYTES)

    def __repr__(self) -> str:
        return f"HttpListener({self._connections!r})"
