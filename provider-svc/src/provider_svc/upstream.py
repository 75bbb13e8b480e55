"""The HTTP connection pool towards one provider, and one answer at a time out of it.

aiohttp does HTTP; here stands what a gateway needs beside it: each way of being slow has its own bound and says which it
was, no wait is without one, no redirect is followed, no cookie or proxy setting of the environment is used, and leaving
an answer early aborts its socket instead of draining it. `traceparent` is not sent: trace ids are the operator's own.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.connector import Connection

from chassis.config.schema import Timeouts
from provider_svc.answer import MAX_ANSWER, Answer
from provider_svc.wire_faults import opening

__all__ = ["MAX_ANSWER", "Answer", "Upstream"]

READ_BUFFER = 64 << 10  # bytes that aiohttp reads ahead before it stops reading the socket (it stops at twice this)
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
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
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
        url = self._base_url + path
        patience = min(self._timeouts.first_byte, self._timeouts.total)
        _transport.set(None)
        try:
            with opening(self._name, self._timeouts.connect, patience):
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
