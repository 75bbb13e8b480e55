"""The server: records each request, then does to it what is wished."""

import asyncio
import socket
import struct
from collections import Counter, deque
from collections.abc import Callable
from typing import Self

import orjson
from aiohttp import web

from fake_provider.connections import Connections, CountingServer
from fake_provider.dialect import JSON, Dialect
from fake_provider.exchange import Exchange
from fake_provider.faults import Pieces, spoil_document, spoil_events, stand_in
from fake_provider.memory import Memory
from fake_provider.multipart import Upload, read_form
from fake_provider.refusal import Refusal, demand
from fake_provider.routes import find_dialect
from fake_provider.wishes import Wishes, read_wishes

LONGEST_HANG = 600.0  # seconds
KEPT_EXCHANGES = 1_000
WISHES = "x-fake-wishes"


class FakeProvider:
    """An async context manager: listens on a port of `HOST` while it is entered. Speaks every dialect, each on its maker's paths
    behind whatever prefix. `wishes` hold for all requests, and may be changed at any time; their own come over them. `keys`: credentials
    that are taken; empty takes any."""

    HOST = "127.0.0.1"  # for containers, where they find this machine

    def __init__(self, port: int = 0, *, wishes: str = "", keys: frozenset[str] = frozenset()) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT_EXCHANGES)
        self.requests = 0
        self.paths: Counter[str] = Counter()
        self.connections = Connections()
        self.memory = Memory()
        self.keys = keys
        self.wishes = wishes
        self._script: deque[str | Callable[[Exchange], str]] = deque()
        self._port = port
        self._arrival = asyncio.Event()
        self._server = CountingServer(self._handle, self.connections)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.5)

    @property
    def url(self) -> str:
        """What an Anthropic SDK calls its base URL; OpenAI's is `openai_url`."""
        return f"http://{self.HOST}:{self._port}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)  # back-pressure shows sooner
        listener.bind((self.HOST, self._port))
        self._port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener, backlog=1024).start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    async def crash(self) -> None:
        """Ends as a killed process does: nobody listens any more, and all connections break at once."""
        for connection in self._server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()

    def script(self, *wishes: str | Callable[[Exchange], str]) -> None:
        """The fates of the next requests, one each, in the order in which they come, over what their models' names wish. A
        function is given the request and says what it wishes."""
        self._script.extend(wishes)

    async def exchange(self, number: int = 1, patience: float = 10.0) -> Exchange:
        """The `number`-th request since the start, as soon as it is there."""
        async with asyncio.timeout(patience):
            while self.requests < number:
                self._arrival.clear()
                await self._arrival.wait()
        return self.exchanges[number - 1 - max(0, self.requests - KEPT_EXCHANGES)]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        dialect, deployment = find_dialect(request.method, request.path, request.headers)
        body = await request.read()
        exchange = Exchange(request.path, request.headers.copy(), body, {}, Wishes(), method=request.method)
        exchange.query, exchange.deployment, exchange.memory = dict(request.query), deployment, self.memory
        exchange.remote = request.remote or ""
        self._record(exchange)
        try:
            return await self._answer(request, exchange, dialect)
        except Refusal as refusal:
            exchange.status = refusal.status
            return web.Response(status=refusal.status, body=dialect.error(refusal), content_type=JSON)
        except (asyncio.CancelledError, ConnectionError):
            self.connections.aborted += 1
            exchange.note_closed()
            raise
        finally:
            exchange.over.set()

    def _record(self, exchange: Exchange) -> None:
        self.requests += 1
        exchange.number = self.requests
        self.paths[exchange.path] += 1
        self.exchanges.append(exchange)
        self._arrival.set()

    async def _answer(self, request: web.BaseRequest, exchange: Exchange, dialect: Dialect) -> web.StreamResponse:
        exchange.document, exchange.uploads = _read_body(exchange)
        exchange.wishes = self._wish(exchange)
        self._check_key(exchange)
        return await _answer(request, exchange, dialect)

    def _wish(self, exchange: Exchange) -> Wishes:
        scripted = self._script.popleft() if self._script else ""
        said = scripted if isinstance(scripted, str) else scripted(exchange)
        try:
            return read_wishes(self.wishes, exchange.model, said, exchange.headers.get(WISHES, ""))
        except ValueError as error:
            raise Refusal(str(error)) from error

    def _check_key(self, exchange: Exchange) -> None:
        key = exchange.headers.get("x-api-key") or exchange.headers.get("api-key")
        key = key or exchange.headers.get("authorization", "").removeprefix("Bearer ")
        message = f"Incorrect API key provided: {key}."  # makers do quote it
        demand(not self.keys or key in self.keys, message, status=401, code="invalid_api_key")


def _read_body(exchange: Exchange) -> tuple[dict[str, object], list[Upload]]:
    content_type = exchange.headers.get("content-type", "")
    if not exchange.body:
        return {}, []
    if content_type.startswith("multipart/form-data"):
        return read_form(content_type, exchange.body)
    try:
        document = orjson.loads(exchange.body)
    except ValueError as error:
        raise Refusal("We could not parse the JSON body of your request.") from error
    demand(isinstance(document, dict), "The body must be a JSON object.")
    return document, []


async def _answer(request: web.BaseRequest, exchange: Exchange, dialect: Dialect) -> web.StreamResponse:
    wishes = exchange.wishes
    await asyncio.sleep(wishes.latency)
    if wishes.hang == "headers":
        await asyncio.sleep(LONGEST_HANG)
    if wishes.close or wishes.reset:
        _break(request, reset=wishes.reset)
        return web.Response()
    if (instead := stand_in(exchange, dialect, str(request.url))) is not None:
        exchange.status = instead.status
        return instead
    if not wishes.lax:
        _check(exchange, dialect)
    elif dialect.plain is not None:
        exchange.document = {**dialect.plain, "model": exchange.model, "stream": exchange.stream}
    media_type, pieces = _pieces(exchange, dialect)
    response = web.StreamResponse(headers={dialect.request_id: f"fake-{exchange.model[:20]}"})
    response.content_type, exchange.status = media_type, 200
    if wishes.gzip or wishes.lying_gzip:
        response.headers["content-encoding"] = "gzip"
    await response.prepare(request)
    return await _write(request, response, exchange, pieces)


def _check(exchange: Exchange, dialect: Dialect) -> None:
    """Refuses what the maker would. A check that stumbles has met a member of another type than it may have."""
    try:
        dialect.check(exchange)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(f"Invalid type in the body: {error!r}", code="invalid_type") from error


def _pieces(exchange: Exchange, dialect: Dialect) -> tuple[str, Pieces]:
    if exchange.stream and dialect.events is not None:
        return "text/event-stream", spoil_events(dialect.events(exchange), exchange, dialect)
    document = dialect.document(exchange)  # refuses, where it does, before the status is out
    return dialect.media_type(exchange), spoil_document(
        [document] if isinstance(document, bytes) else document, exchange
    )


async def _write(
    request: web.BaseRequest, response: web.StreamResponse, exchange: Exchange, pieces: Pieces
) -> web.StreamResponse:
    wishes = exchange.wishes
    for number, piece in enumerate(pieces, start=1):
        if piece is None:
            _break(request, reset=False)
            return response
        await response.write(piece)
        exchange.written += len(piece)
        if number == wishes.hold:
            await asyncio.wait_for(exchange.released.wait(), LONGEST_HANG)
        if wishes.hang == "body":
            await asyncio.sleep(LONGEST_HANG)
        if wishes.pace:
            await asyncio.sleep(wishes.pace)
    await response.write_eof()
    return response


def _break(request: web.BaseRequest, *, reset: bool) -> None:
    """Closes the connection behind what is written, without the end that HTTP would have."""
    if request.transport is None:
        return
    if reset:
        at_once = struct.pack("ii", 1, 0)  # lingers for 0 seconds: the kernel sends RST
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    request.transport.close()
