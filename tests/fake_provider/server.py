"""The server: records each request, then does to it what its model's name wishes."""

import asyncio
import gzip
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from time import time
from types import ModuleType
from typing import Any, Self

import orjson
from aiohttp import web

from fake_provider import anthropic, openai
from fake_provider.exchange import Exchange
from fake_provider.wishes import Wishes, read_wishes

PAGE = (
    b"<html><head><title>503</title></head><body><h1>Service <script>alert(1)</script> Unavailable</h1></body></html>"
)
LONGEST_HANG = 600.0  # seconds
KEPT_EXCHANGES = 1_000


class FakeProvider:
    """An async context manager: listens on a loopback port while it is entered. Speaks OpenAI's and Anthropic's dialects,
    each on its makers' paths."""

    def __init__(self, port: int = 0) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT_EXCHANGES)
        self.requests = 0
        self._port = port
        self._arrival = asyncio.Event()
        app = web.Application(client_max_size=80 << 20)
        for dialect in (openai, anthropic):
            for path in dialect.PATHS:
                app.router.add_post(path, self._handler(dialect))
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)

    @property
    def url(self) -> str:
        """What an Anthropic SDK calls its base URL; OpenAI's is `openai_url`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)  # back-pressure shows sooner
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener, backlog=1024).start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    async def exchange(self, number: int = 1, patience: float = 10.0) -> Exchange:
        """The `number`-th request since the start, as soon as it is there."""
        async with asyncio.timeout(patience):
            while self.requests < number:
                self._arrival.clear()
                await self._arrival.wait()
        return self.exchanges[number - 1 - max(0, self.requests - KEPT_EXCHANGES)]

    def _handler(self, dialect: ModuleType) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            document = orjson.loads(body)
            try:
                wishes = read_wishes(str(document.get("model")))
            except ValueError as error:
                return web.Response(status=400, body=dialect.error(400, str(error)), content_type="application/json")
            exchange = Exchange(request.path, request.headers.copy(), body, document, wishes)
            self._record(exchange)
            try:
                return await _answer(request, exchange, dialect)
            except (asyncio.CancelledError, ConnectionError):
                exchange.note_closed()
                raise
            finally:
                exchange.over.set()

        return handle

    def _record(self, exchange: Exchange) -> None:
        self.requests += 1
        self.exchanges.append(exchange)
        self._arrival.set()


async def _answer(request: web.Request, exchange: Exchange, dialect: ModuleType) -> web.StreamResponse:
    wishes = exchange.wishes
    await asyncio.sleep(wishes.latency)
    if wishes.hang == "headers":
        await asyncio.sleep(LONGEST_HANG)
    if wishes.close:
        _break(request)
        return web.Response()
    if (refusal := _refuse(request, wishes, dialect)) is not None:
        return refusal
    response = web.StreamResponse(headers={dialect.REQUEST_ID: f"fake-{exchange.model[:20]}"})
    response.content_type = "text/event-stream" if exchange.stream else "application/json"
    if wishes.gzip or wishes.lying_gzip:
        response.headers["content-encoding"] = "gzip"
    await response.prepare(request)
    return await _write(request, response, exchange, dialect)


def _refuse(request: web.Request, wishes: Wishes, dialect: ModuleType) -> web.Response | None:
    """An answer that is over with its status."""
    if wishes.redirect:
        return web.Response(status=307, headers={"location": str(request.url)})
    if wishes.html_503 or wishes.html_200:
        return web.Response(status=503 if wishes.html_503 else 200, body=PAGE, content_type="text/html")
    if wishes.status == 200 and not wishes.error_200:
        return None
    body = dialect.error(wishes.status if wishes.status != 200 else 500, f"the fake provider says {wishes.status}")
    date = formatdate(time() + wishes.retry_after_date, usegmt=True) if wishes.retry_after_date else ""
    hints = {"retry-after": wishes.retry_after or date, "retry-after-ms": wishes.retry_after_ms}
    said = {name: value for name, value in hints.items() if value}
    return web.Response(status=wishes.status, body=body, headers=said, content_type="application/json")


async def _write(
    request: web.Request, response: web.StreamResponse, exchange: Exchange, dialect: ModuleType
) -> web.StreamResponse:
    wishes = exchange.wishes
    for piece in _cut(_pieces(exchange, dialect), wishes):
        if piece is None:
            _break(request)
            return response
        await response.write(piece)
        exchange.written += len(piece)
        if wishes.hang == "body":
            await asyncio.sleep(LONGEST_HANG)
        if wishes.pace:
            await asyncio.sleep(wishes.pace)
    await response.write_eof()
    return response


def _pieces(exchange: Exchange, dialect: ModuleType) -> Iterator[bytes]:
    """The body in the pieces that are written, before it is cut."""
    wishes = exchange.wishes
    whole = (
        _events(exchange, dialect) if exchange.stream else [b"<<<" if wishes.garbage else dialect.document(exchange)]
    )
    if wishes.gzip:
        whole = [gzip.compress(b"".join(whole))]
    if not wishes.drip:
        yield from whole
        return
    for piece in whole:
        yield from (piece[start : start + wishes.drip] for start in range(0, len(piece), wishes.drip))


def _events(exchange: Exchange, dialect: ModuleType) -> Iterator[bytes]:
    wishes = exchange.wishes
    for number, event in enumerate(dialect.events(exchange)):
        if wishes.error_event and number == wishes.error_event:
            yield dialect.error_event()
            return
        if wishes.garbage and number == 2:
            yield b"data: <<<garbage>>>\n\n"
        if not (wishes.no_done and dialect.is_end(event)):
            yield event.replace(b"\n", b"\r\n") if wishes.crlf else event


def _cut(pieces: Iterable[bytes], wishes: Wishes) -> Iterator[bytes | None]:
    """The pieces up to where the body ends; None behind them where the connection is to break."""
    left = wishes.cut or wishes.end or 1 << 62
    for number, piece in enumerate(pieces):
        if wishes.cut_events and number == wishes.cut_events:
            yield None
            return
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            break
    if wishes.cut:
        yield None


def _break(request: web.Request) -> None:
    """Closes the connection behind what is written, without the end that HTTP would have."""
    if request.transport is not None:
        request.transport.close()
