"""Listening over HTTP/1.1, and stopping without cutting a call."""

import asyncio
import socket
from typing import Self

from aiohttp import web

from gateway_edge.door import Door
from gateway_edge.settings import EdgeSettings


class HttpListener:
    """An aiohttp server around a door. It is open inside `async with`; `drain` first, to stop without cutting a call."""

    def __init__(self, door: Door, settings: EdgeSettings) -> None:
        self._door = door
        self._settings = settings
        server = web.Server(door.handle, handler_cancellation=True, access_log=None, auto_decompress=False)
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

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()
