"""The HTTP connection pool towards one provider, and one answer at a time out of it.

aiohttp does HTTP; here stands what a gateway needs beside it: each way of being slow has its own bound and says which it
was, no wait is without one, no redirect is followed, no cookie or proxy setting of the environment is used, and leaving
an answer early aborts its socket instead of draining it. `traceparent` is not sent: trace ids are the operator's own.
"""

import asyncio
import io
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Never, Self
from weakref import WeakSet

import aiohttp
from aiohttp.connector import Connection
from multidict import CIMultiDictProxy
from yarl import URL

from chassis.config.schema import Timeouts
from chassis.errors import Reason, RunestoneError

READ_BUFFER = 64 << 10  # bytes that aiohttp reads ahead before it stops reading the socket (it stops at twice this)
MAX_ANSWER = 64 << 20  # bytes of a whole document; must fit in one gRPC message
MAX_ERROR_BODY = 64 << 10
PATIENCE_FOR_END = 0.1  # seconds; the end of a body nearly always comes with its last event
_LARGE = 1 << 20  # larger bodies are written in pieces, so that they do not hold up the loop

_transport: ContextVar[asyncio.BaseTransport | None] = ContextVar("provider_svc_transport", default=None)


class Upstream:
    """One provider's pool of kept-alive connections. `base_url` is what the maker's SDK has; `name` is the provider's.

    Made and closed inside a running loop.
    """

    def __init__(self, name: str, base_url: str, timeouts: Timeouts) -> None:
        self._name = name
        self._base_url = base_url.rstrip("/")
        self._timeouts = timeouts
        self._urls: dict[str, URL] = {}
        self._running = 0
        self._connector = _Connector(limit=0, keepalive_timeout=30, ttl_dns_cache=30)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": "identity", "user-agent": "runestone", "content-type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None, connect=timeouts.connect),
            read_bufsize=READ_BUFFER,
            trust_env=False,
        )

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator["Answer"]:
        """Sends `body` (JSON) to `path` below the base URL; the context is the answer once its headers are there.

        Raises PROVIDER_UNREACHABLE, PROVIDER_TIMEOUT (the first-byte timeout counts from the call's begin, connecting
        and sending included) or PROVIDER_INVALID_ANSWER. Leaving the context before the answer's end, or being cancelled
        at any point, closes the socket at once; otherwise the connection goes back to the pool.
        """
        self._running += 1
        try:
            expires = time.monotonic() + self._timeouts.total
            response = await self._begin(path, body, headers)
            try:
                yield Answer(self._name, response, self._timeouts, expires)
            finally:
                _drop(response)
        finally:
            self._running -= 1

    async def _begin(self, path: str, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        url = self._urls.get(path) or self._urls.setdefault(path, URL(self._base_url + path))
        patience = min(self._timeouts.first_byte, self._timeouts.total)
        _transport.set(None)
        try:
            with _opening(self._name, self._timeouts.connect, patience):
                async with asyncio.timeout(patience):
                    data = body if len(body) < _LARGE else io.BytesIO(body)
                    return await self._session.post(url, data=data, headers=headers, allow_redirects=False)
        except BaseException:
            _abort(_transport.get())
            raise
        finally:
            _transport.set(None)

    async def close(self) -> None:
        """Closes all connections, those in use as well."""
        await self._session.close()

    def statistics(self) -> dict[str, int]:
        """How many connections are open, and how many calls are running now."""
        return {"connections": self._connector.count_open(), "running": self._running}

    def __repr__(self) -> str:
        numbers = ", ".join(f"{number} {name}" for name, number in self.statistics().items())
        return f"Upstream({self._name}, {numbers})"


class Answer:
    """A provider's answer from its headers on. Nothing is read from the socket while nobody asks for the next block,
    but for a bounded read-ahead."""

    def __init__(self, name: str, response: aiohttp.ClientResponse, timeouts: Timeouts, expires: float) -> None:
        self._name = name
        self._response = response
        self._timeouts = timeouts
        self._expires = expires

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The HTTP headers; names match in any case."""
        return self._response.headers

    def blocks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in blocks of at most a few hundred KiB; may be left at any point.

        Raises PROVIDER_TIMEOUT (idle or total), PROVIDER_STREAM_CUT when the connection breaks before the body's end,
        PROVIDER_INVALID_ANSWER when the body cannot be decoded.
        """
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        content = self._response.content
        while True:
            self._check_total()
            with _reading(self._name):
                block = content.read_nowait(-1) or await self._wait_for_block()
            if block:
                return block
            if content.at_eof():
                raise StopAsyncIteration

    async def read(self, bound: int) -> bytes:
        """The whole body. Raises PROVIDER_INVALID_ANSWER when it is larger than `bound` bytes, and what `blocks` raises."""
        body = bytearray()
        async for block in self.blocks():
            body += block
            if len(body) > bound:
                raise RunestoneError(
                    Reason.PROVIDER_INVALID_ANSWER,
                    f"provider {self._name} sent an answer larger than {bound} bytes",
                    upstream_status=self.status,
                )
        return bytes(body)

    async def read_error(self) -> bytes:
        """The beginning of an error's body; as much as there is when it breaks off, for the status is known already."""
        body = bytearray()
        try:
            async for block in self.blocks():
                body += block
                if len(body) >= MAX_ERROR_BODY:
                    break
        except RunestoneError:
            pass
        return bytes(body[:MAX_ERROR_BODY])

    async def finish(self) -> None:
        """Reads what stands behind an answer's last event, so that the connection can be used again; gives up soon, as
        the answer is whole already."""
        try:
            async with asyncio.timeout(PATIENCE_FOR_END):
                async for _ in self.blocks():
                    pass
        except (TimeoutError, RunestoneError):
            return

    async def _wait_for_block(self) -> bytes:
        left = self._expires - time.monotonic()
        try:
            async with asyncio.timeout(min(self._timeouts.idle, left)):
                return await self._response.content.readany()
        except TimeoutError as exc:
            self._check_total()
            raise _timed_out(self._name, f"sent nothing for {self._timeouts.idle:g} s (idle timeout)") from exc

    def _check_total(self) -> None:
        if time.monotonic() >= self._expires:
            raise _timed_out(self._name, f"was not done after {self._timeouts.total:g} s (total timeout)")


class _Connector(aiohttp.TCPConnector):
    """Knows which connection the running task got, so that it can be aborted, and how many are open."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._opened: WeakSet[aiohttp.client_proto.ResponseHandler] = WeakSet()

    async def connect(self, *arguments: Any, **options: Any) -> Connection:
        connection = await super().connect(*arguments, **options)
        if connection.protocol is not None:
            self._opened.add(connection.protocol)
            _transport.set(connection.transport)
        return connection

    def count_open(self) -> int:
        return sum(protocol.is_connected() for protocol in self._opened)


def _drop(response: aiohttp.ClientResponse) -> None:
    """Ends an answer: a connection that is not back in the pool by now has unread bytes, and is aborted."""
    if response.connection is not None:
        _abort(response.connection.transport)
    response.close()


def _abort(transport: asyncio.BaseTransport | None) -> None:
    """Closes a socket without waiting for bytes that the peer does not take."""
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


@contextmanager
def _opening(name: str, connect: float, first_byte: float) -> Iterator[None]:
    """Translates what can go wrong before an answer has begun."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as exc:
        raise _timed_out(name, f"did not accept a connection within {connect:g} s (connect timeout)") from exc
    except aiohttp.ClientConnectorError as exc:
        raise RunestoneError(Reason.PROVIDER_UNREACHABLE, f"cannot connect to provider {name}: {_why(exc)}") from exc
    except (aiohttp.ClientConnectionError, ConnectionError) as exc:
        raise RunestoneError(
            Reason.PROVIDER_UNREACHABLE, f"provider {name} closed the connection before it answered"
        ) from exc
    except TimeoutError as exc:
        raise _timed_out(name, f"did not begin to answer within {first_byte:g} s (first-byte timeout)") from exc
    except (aiohttp.ClientError, ValueError) as exc:
        _raise_invalid(name, exc)


def _why(exc: aiohttp.ClientConnectorError) -> str:
    """The system's words for it, without the address: that is the operator's business, not the client's."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not valid"
    number = exc.os_error.errno
    return os.strerror(number) if number and number > 0 else exc.os_error.strerror or type(exc.os_error).__name__


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Translates what can go wrong in the middle of an answer."""
    try:
        yield
    except aiohttp.ClientPayloadError as exc:
        if isinstance(exc.__cause__, aiohttp.http_exceptions.ContentEncodingError):
            _raise_invalid(name, exc)
        raise _cut_off(name) from exc
    except (aiohttp.ClientConnectionError, ConnectionError) as exc:
        raise _cut_off(name) from exc
    except aiohttp.ClientError as exc:
        _raise_invalid(name, exc)


def _raise_invalid(name: str, exc: Exception) -> Never:
    raise RunestoneError(
        Reason.PROVIDER_INVALID_ANSWER, f"provider {name} answered with something that is not HTTP as announced"
    ) from exc


def _cut_off(name: str) -> RunestoneError:
    return RunestoneError(
        Reason.PROVIDER_STREAM_CUT, f"provider {name} closed the connection before the end of its answer"
    )


def _timed_out(name: str, what: str) -> RunestoneError:
    return RunestoneError(Reason.PROVIDER_TIMEOUT, f"provider {name} {what}")
