"""Bytes in, requests out. Nothing here knows about sockets.

llhttp parses, as strictly as it can: it refuses line folding, bare CR, LF and NUL, and a Content-Length that is repeated or
beside a Transfer-Encoding. Here stands what it leaves to its user: bounds, and what two readers could read differently.
"""

from collections import deque

import httptools

from gateway_edge.http1.request import Headers, Request
from gateway_edge.http1.target import read_path

MAX_HEAD = 64 << 10  # bytes of one request's headers and trailers, unless told otherwise
MAX_FIELDS = 128
MAX_PIPELINED = 32  # requests that wait for their turn on one connection
FRAMING = frozenset({"content-length", "transfer-encoding"})
UPGRADING = frozenset({b"upgrade", b"http2-settings"})
OFFERED = "websocket"
VERSIONS = frozenset({"1.0", "1.1"})
PLAIN = "identity"

# Where a second one could be read instead of the first.
SINGLE = frozenset(
    {
        "authorization",
        "api-key",
        "content-digest",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "origin",
        "traceparent",
        "transfer-encoding",
        "x-api-key",
        "x-runestone-pipeline",
        "x-runestone-timeout-ms",
    }
)
_KNOWN_NAMES = {
    spelling.encode(): name
    for name in (*SINGLE, "accept", "accept-encoding", "accept-language", "cache-control", "connection", "user-agent")
    for spelling in (name, name.title())
}


class RequestParser:
    """Parses one connection's requests; those with a whole head are in `ready`, in order. Their bodies grow while they
    wait there or are being answered. After a fault nothing more is parsed. `max_head` is in bytes."""

    def __init__(self, max_head: int = MAX_HEAD, max_fields: int = MAX_FIELDS) -> None:
        self.ready: deque[Request] = deque()
        self._max_head = max_head
        self._max_fields = max_fields
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._current: Request | None = None
        self._url = b""
        self._fields: Headers = {}
        self._doubled = ""
        self._count = 0
        self._raw: list[tuple[bytes, bytes]] = []
        self._is_in_head = False
        self._is_upgraded = False
        self._asking: Request | None = None
        self._head_size = 0

    @property
    def is_idle(self) -> bool:
        """Whether it is between two requests."""
        return self._current is None and not self._is_in_head

    @property
    def is_over(self) -> bool:
        """Whether nothing more is parsed."""
        return self._parser is None

    def feed(self, data: bytes) -> None:
        """Takes what has come from the socket."""
        if self._parser is None:
            if self._asking is not None:
                self._asking.add(data)
            return
        was_in_head = self._is_in_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._stop(f"the request is not HTTP/1.1: {str(error) or type(error).__name__}")
        else:
            self._bound(len(data) if was_in_head and self._is_in_head else 0)

    def close(self) -> None:
        """Nothing more will come: lets go of the parser, which holds this object."""
        self._parser = self._asking = None

    def _bound(self, size: int) -> None:
        """llhttp takes heads of any length, and any number of headers, trailers and requests."""
        self._head_size += size
        if not self.is_idle and self._is_too_large():
            self._stop(self._too_large())
        elif len(self.ready) > MAX_PIPELINED:
            self.close()

    def _is_too_large(self) -> bool:
        return self._head_size > self._max_head or self._count > self._max_fields

    def _too_large(self) -> str:
        return f"the request's headers are larger than {self._max_head} bytes or more than {self._max_fields}"

    def _stop(self, message: str) -> None:
        self.close()
        spoiled = self._current
        if spoiled is None:
            spoiled = Request()
            self.ready.append(spoiled)
        spoiled.spoil(message)

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """An upgrade that is not offered is ignored, and the request is answered as if it had not been asked for (RFC 9110,
        section 7.8), as the connection's last: what comes behind might be meant in the other protocol. llhttp has stopped
        behind the head, so another parser reads a head that does not ask, and the body."""
        request = self.ready[-1]
        request.keeps_alive = False
        if request.method == "CONNECT":
            request.spoil("CONNECT is not offered here")
        if request.fault or self._is_upgraded or not FRAMING & request.headers.keys():
            self.close()
            self._wait_for_upgrade(request, rest)
            return
        self.ready.pop()
        self._is_upgraded = True
        self._parser = httptools.HttpRequestParser(self)
        self.feed(self._head_without_upgrade(request) + rest)

    def _wait_for_upgrade(self, request: Request, rest: bytes) -> None:
        """Whoever answers it may take the connection over, with what has come by then."""
        if request.fault is None and not self._is_upgraded and OFFERED in request.headers.get("upgrade", "").lower():
            request.asks_upgrade, self._asking = True, request
            if rest:
                request.add(rest)

    def _head_without_upgrade(self, request: Request) -> bytes:
        version = b"1.0" if request.is_http_1_0 else b"1.1"
        lines = [b"%b %b HTTP/%b" % (request.method.encode(), self._url, version)]
        for name, value in self._raw:
            kept = value
            if name.lower() == b"connection":
                kept = b",".join(token for token in value.split(b",") if token.strip().lower() not in UPGRADING)
            if name.lower() not in UPGRADING:
                lines.append(b"%b: %b" % (name, kept))
        return b"\r\n".join([*lines, b"", b""])

    # llhttp's callbacks.

    def on_message_begin(self) -> None:
        self._fields = {}
        self._raw = []
        self._url = b""
        self._doubled = ""
        self._count = 0
        self._is_in_head = True
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        self._head_size += len(name) + len(value)
        if self._current is not None or self._count > self._max_fields:
            return  # a trailer: nothing here needs one (RFC 9110, section 6.5.1)
        self._raw.append((name, value))
        key = _KNOWN_NAMES.get(name) or name.decode("latin-1").lower()
        text = value.decode("utf-8", "surrogateescape").rstrip(" \t")
        before = self._fields.get(key)
        if before is not None:
            self._doubled = self._doubled or (key if key in SINGLE else "")
            text = f"{before}, {text}"
        self._fields[key] = text

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        self._is_in_head = False
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(parser.get_method().decode("latin-1"), path, query, self._fields)
        version = parser.get_http_version()
        request.is_http_1_0 = version == "1.0"
        request.keeps_alive = parser.should_keep_alive() and not self._is_upgraded
        self._check(request, version)
        self._head_size = self._count = 0
        self._current = request
        self.ready.append(request)

    def on_body(self, block: bytes) -> None:
        if self._current is not None:
            self._current.add(block)

    def on_message_complete(self) -> None:
        if self._current is not None:
            self._current.is_whole = True
            self._current = None

    def _check(self, request: Request, version: str) -> None:
        if version not in VERSIONS:
            request.spoil("only HTTP/1.1 and HTTP/1.0 are spoken here")
        elif not request.raw_path.startswith("/"):
            request.spoil("the request target must be a path")
        elif (path := read_path(request.raw_path)) is None or not request.query.isascii():
            request.spoil("the request target could be read in two ways")
        elif self._is_too_large():
            request.spoil(self._too_large())
        elif self._doubled:
            request.spoil(f"the header {self._doubled} stands twice")
        elif self._fields.get("content-encoding", PLAIN).lower() != PLAIN:
            request.spoil("the only content coding taken is identity: send the body uncompressed")
        elif "host" not in self._fields and version == "1.1":
            request.spoil("the header host is missing")
        elif self._fields.get("transfer-encoding", "chunked").lower() != "chunked" or (
            request.is_http_1_0 and "transfer-encoding" in self._fields
        ):
            request.spoil("the only transfer coding taken is chunked, with HTTP/1.1")
        else:
            request.path = path
