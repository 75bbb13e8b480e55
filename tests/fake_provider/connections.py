"""The HTTP server, counting its connections."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

BIGGEST_BODY = 80 << 20


@dataclass(slots=True)
class Connections:
    """`opened` counts all, `open` those that are, `aborted` those that a client closed while it was owed an answer."""

    opened: int = 0
    open: int = 0
    aborted: int = 0

    async def wait_open(self, count: int, patience: float = 10.0) -> None:
        """Returns when exactly `count` connections are open; raises TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience):
            while self.open != count:
                await asyncio.sleep(0.005)


class CountingServer(web.Server):
    """Counts into `counts`."""

    def __init__(self, handler: Any, counts: Connections) -> None:
        super().__init__(handler, request_factory=_read_request, handler_cancellation=True, access_log=None)
        self._counts = counts

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._counts.opened += 1
        self._counts.open += 1

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._counts.open -= 1


def _read_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BIGGEST_BODY)
