"""The way to one provider: a call out, one answer at a time back.

`http1` and `http2` do HTTP; here stands what a gateway needs beside it: each way of being slow has its own bound and says which it
was, no wait is without one, no redirect is followed, no cookie or proxy setting of the environment is used, and leaving
an answer early aborts its socket instead of draining it. `traceparent` is not sent: trace ids are the operator's own.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType

from chassis.config.providers import Connections, Timeouts
from provider_svc.answer import MAX_ANSWER, Answer
from provider_svc.carrier import Carrier, Lender, Reply
from provider_svc.http1.addresses import AddressBook
from provider_svc.http1.counts import Counts
from provider_svc.http1.dialing import Dialer
from provider_svc.http1.faults import ClosedEarly, WireFault
from provider_svc.http1.limits import Limits
from provider_svc.http1.origin import parse_origin
from provider_svc.http1.pool import Pool
from provider_svc.http1.request import RequestForm
from provider_svc.wire_faults import failure_to_begin, patience_for_head

__all__ = ["MAX_ANSWER", "Answer", "Upstream"]

DEFAULT_CONNECTIONS = Connections()

ALWAYS = {
    "accept": "*/*",  # what clients send that do not mind; its absence says the same (RFC 9110, section 12.5.1)
    "accept-encoding": "identity",
    "user-agent": "runestone",
    "content-type": "application/json",
}


class Upstream:
    """One provider's pool of kept-alive connections. `base_url` is what the maker's SDK has; `name` is the provider's.

    `ca` is the path of a PEM file with the authorities to trust instead of the system's; `proxy` the URL of an HTTP proxy.
    `counts` go on counting where those of another upstream of this name ended. Made and closed inside a running loop.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        timeouts: Timeouts,
        *,
        ca: str = "",
        proxy: str = "",
        connections: Connections = DEFAULT_CONNECTIONS,
        counts: Counts | None = None,
    ) -> None:
        origin, hop = parse_origin(base_url), parse_origin(proxy) if proxy else None
        server = hop or origin
        self.name = name
        self.timeouts = timeouts
        self.patience_for_head, _ = patience_for_head(timeouts)
        self.running = 0
        self.time = asyncio.get_running_loop().time
        self.counts = counts or Counts()
        self._book = AddressBook(server.host, server.port, connections.dns_ttl, self.counts)
        dialer = Dialer(origin, self._book, ca=ca, proxy=hop)
        limits = _limits(connections, timeouts)
        self.pool = self._open_pool(dialer, limits, is_shared=connections.http2 and origin.is_tls)
        self._book.on_gone = self.pool.drop_moved
        self.pool.warm_up()
        self._form = RequestForm(origin, ALWAYS, hop)

    def _open_pool(self, dialer: Dialer, limits: Limits, *, is_shared: bool) -> Lender:
        plain = Pool(dialer.dial, limits, self.counts, self._book.leads_to)
        if not is_shared:
            return plain
        from provider_svc.http2.pool import SharedPool  # noqa: PLC0415  a tenth of a second of CPU that only those pay who turn it on

        return SharedPool(dialer, plain, limits, self.counts, self._book.leads_to)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> "Exchange":
        """Sends `body` (JSON) to `path` below the base URL; the context is the answer once its headers are there.

        Raises PROVIDER_UNREACHABLE, PROVIDER_TIMEOUT (the header and first-byte timeouts count from the call's begin,
        connecting and sending included), PROVIDER_INVALID_ANSWER, or OVERLOADED when too many calls wait for a connection. Leaving the
        context before the answer's end, or being cancelled at any point, closes the socket at once; otherwise the
        connection goes back to the pool.
        """
        return Exchange(self, path, body, headers)

    def send(self, method: str, path: str, headers: Mapping[str, str]) -> "Exchange":
        """A request of another method, or without a body; `path` may have a query. Promises and raises what `post` does."""
        return Exchange(self, path, b"", headers, method)

    def write_bare_head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """The head of a request without a body. Raises as `write_head` does."""
        return self._form.fill_in_bare(method, path, headers)

    def write_head(self, path: str, headers: Mapping[str, str], length: int) -> bytes:
        """A request's head. Raises ValueError for a header that HTTP does not allow."""
        return self._form.fill_in(path, headers, length)

    async def close(self) -> None:
        """Closes all connections, those in use as well."""
        self.pool.close()
        self._book.close()
        await asyncio.sleep(0)  # the sockets are closed in the loop's next step

    def count_now(self) -> dict[str, int]:
        """How many calls are running, and how many connections do what."""
        return {"running": self.running, **self.pool.count_now()}

    def statistics(self) -> dict[str, int]:
        """What `count_now` says, and what was counted of the connections (`Counts`)."""
        return {**self.count_now(), **self.counts.statistics()}

    def __repr__(self) -> str:
        return f"Upstream({self.name}, {self.running} running, {self.pool!r}, {self._book!r})"


def _limits(connections: Connections, timeouts: Timeouts) -> Limits:
    return Limits(
        connections=connections.max,
        idle=connections.idle,
        age=connections.age,
        warm=connections.warm,
        connect=timeouts.connect,
    )


class Exchange:
    """One request and its answer, as a context; `Upstream.post` says what it promises. With a `method` it has no body."""

    __slots__ = ("_body", "_carrier", "_headers", "_method", "_path", "_upstream")

    def __init__(
        self, upstream: Upstream, path: str, body: bytes, headers: Mapping[str, str], method: str = ""
    ) -> None:
        self._upstream = upstream
        self._path = path
        self._body = body
        self._headers = headers
        self._method = method
        self._carrier: Carrier | None = None

    async def __aenter__(self) -> Answer:
        upstream, timeouts = self._upstream, self._upstream.timeouts
        upstream.running += 1
        begun = upstream.time()
        try:
            reply, carrier = await self._begin(begun)
        except (WireFault, TimeoutError, ValueError) as fault:
            self._end()
            raise failure_to_begin(upstream.name, fault, timeouts) from fault
        except BaseException:
            self._end()
            raise
        return Answer(upstream.name, carrier, reply, timeouts, begun=begun)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def _begin(self, begun: float) -> tuple[Reply, Carrier]:
        """Sends the request, once more when a kept connection turned out to be stale and the first time cannot count."""
        head = self._write_head()
        try:
            return await self._send(head, begun)
        except ClosedEarly as fault:
            if not fault.is_repeatable:
                raise
        self._release()
        self._upstream.pool.drop_idle()
        self._upstream.counts.repeated.inc()
        return await self._send(head, begun)

    def _write_head(self) -> bytes:
        if self._method:
            return self._upstream.write_bare_head(self._method, self._path, self._headers)
        return self._upstream.write_head(self._path, self._headers, len(self._body))

    async def _send(self, head: bytes, begun: float) -> tuple[Reply, Carrier]:
        upstream, pool = self._upstream, self._upstream.pool
        deadline = begun + upstream.patience_for_head
        carrier = pool.take_idle() or await pool.acquire(min(begun + upstream.timeouts.connect, deadline))
        self._carrier = carrier
        return await carrier.begin(head, self._body, deadline), carrier

    def _release(self) -> None:
        if self._carrier is not None:
            self._carrier.release()
            self._carrier = None

    def _end(self) -> None:
        self._release()
        self._upstream.running -= 1
