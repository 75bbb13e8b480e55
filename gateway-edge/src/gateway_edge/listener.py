"""Listening over HTTP/1.1, and stopping without cutting a call."""

import asyncio
import socket
from typing import Any, Self

from aiohttp import web

from gateway_edge.door import Door
from gateway_edge.settings import EdgeSettings

LAST_WORDS = 2.0  # seconds to tell clients that their calls were ended
FIRST_HEADERS = 15.0  # seconds that a new connection may take to send its first request's headers
KEEP_ALIVE = 75.0  # seconds that a connection may be idle between requests


class Connection(web.RequestHandler):
    """aiohttp's connection, closed when no request has come in time."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.has_asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(FIRST_HEADERS, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if not self.has_asked and self.transport is not None:
            self.transport.abort()


class Server(web.Server):
    """aiohttp's server with our connections."""

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class HttpListener:
    """An aiohttp server around a door. It is open inside `async with`; `drain` first, to stop without cutting a call."""

    def __init__(self, door: Door, settings: EdgeSettings) -> None:
        self._door = door
        self._settings = settings
        server = Server(
            door.handle, handler_cancellation=True, access_log=None, auto_decompress=False, keepalive_timeout=KEEP_ALIVE
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        self._site: web.BaseSite | None = None

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        if self._settings.socket is not None:
            self._site = web.SockSite(self._runner, socket.socket(fileno=self._settings.socket), backlog=1024)
        else:
            self._site = web.TCPSite(self._runner, self._settings.host, self._settings.port, backlog=1024)
        await self._site.start()
        return self

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._runner.addresses[0][1])

    async def drain(self, grace: float) -> None:
        """Waits for balancers to notice, then stops accepting, then gives running calls up to `grace` seconds."""
        await asyncio.sleep(self._settings.drain_delay)
        if self._site is not None:
            await self._site.stop()
        await self._door.wait_until_empty(grace)
        self._door.end_running()
        await self._door.wait_until_empty(LAST_WORDS)

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()
