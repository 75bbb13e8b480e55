"""One answer, from bytes to status, headers and body (RFC 9112). Nothing here knows about sockets.

llhttp parses, as strictly as it can: it refuses line folding, bare CR, LF and NUL, a Content-Length beside a
Transfer-Encoding, and lengths that are repeated, negative or too large to count. Here stands what it leaves to its user.
"""

import re
from collections.abc import Iterator, Mapping

import httptools

from provider_svc.http1.faults import ClosedEarly, Malformed

MAX_HEAD = 64 << 10  # bytes of headers and trailers, and of whatever else comes without a byte of the body
HEADER_OVERHEAD = 32  # bytes that each header counts beside its own, so that many small ones are bounded too
BODILESS = frozenset({204, 304})  # RFC 9112, section 6.3
VERSIONS = frozenset({"1.0", "1.1"})

_TIMEOUT = re.compile(rb"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)


class Headers(Mapping[str, str]):
    """Headers by name, in any case; several of one name are one, joined by commas (RFC 9110, section 5.3)."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower().encode("latin-1", "replace")].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class Reply:
    """One answer as it arrives: `feed` it, then look at what is there.

    `size` counts the bytes of the body that nobody has taken yet. `keeps_alive` is certain once `is_whole`.
    """

    def __init__(self) -> None:
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self.has_begun = False
        self.has_head = False
        self.is_whole = False
        self.keeps_alive = False
        self.size = 0
        self._blocks: list[bytes] = []
        self._ends_at_close = False
        self._head_size = 0
        self._without_body = 0
        self._fault = ""
        self.on_body = self._blocks.append  # llhttp's callback; a chunk costs no frame of Python
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Takes what has come from the socket. Raises Malformed; what came before the fault can still be taken.

        Bytes behind the answer's end are not its own: they end the connection, not the answer (RFC 9112, section 9.2).
        """
        if self._parser is None:
            self.keeps_alive = False
            return
        self.has_begun = True
        known = len(self._blocks)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._stumble(exc)
        new = sum(map(len, self._blocks[known:]))
        self.size += new
        if self.is_whole:
            self._parser = None  # it holds this object: nothing is left for the garbage collector
        elif new:
            self._without_body = 0
        else:
            self._bound(len(data))

    def feed_end(self) -> None:
        """Takes the connection's end. Raises ClosedEarly unless the answer is whole by now (RFC 9112, section 8)."""
        self._parser = None
        self.keeps_alive = False
        self.is_whole = self.is_whole or self._ends_at_close
        if not self.is_whole:
            raise ClosedEarly

    def take(self) -> bytes:
        """What of the body has come and was not taken yet; b"" when nothing has."""
        blocks = self._blocks
        if not blocks:
            return b""
        data = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        blocks.clear()
        self.size = 0
        return data

    @property
    def idle_limit(self) -> float | None:
        """Seconds that the server says it keeps an idle connection (RFC 2068, section 19.7.1.1); None when it does not."""
        hint = self.fields.get(b"keep-alive")
        found = _TIMEOUT.search(hint) if hint else None
        return float(found[1]) if found else None

    def _stumble(self, exc: Exception) -> None:
        if not self.is_whole:
            self._parser = None
            self.size = sum(map(len, self._blocks))
            raise Malformed(self._fault or str(exc)) from exc
        self.keeps_alive = False

    def _bound(self, without_body: int) -> None:
        """Bounds what the parser holds: a head or a chunk's line that does not end, or interim answers without end."""
        self._without_body += without_body
        if self._without_body > MAX_HEAD:
            raise Malformed("headers, or a chunk's extensions, that are too large")

    # llhttp's callbacks. What they raise it reports in its own words, so the reason is kept beside.

    def on_message_begin(self) -> None:
        if self.is_whole:
            self._refuse("bytes behind the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_size += len(name) + len(value) + HEADER_OVERHEAD
        if self._head_size > MAX_HEAD:
            self._refuse("headers that are too large")
        if self.has_head:
            return  # a trailer: nothing here needs one (RFC 9112, section 7.1.2)
        name = name.lower()
        before = self.fields.get(name)
        self.fields[name] = value if before is None else before + b", " + value

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        self.status = parser.get_status_code()
        version = parser.get_http_version()
        if version not in VERSIONS:
            self._refuse("a version of HTTP that was not asked for")
        if 100 <= self.status < 200:
            self._pass_interim()
            return
        is_chunked = self._check_coding(version)
        self._ends_at_close = not is_chunked and b"content-length" not in self.fields and self.status not in BODILESS
        self.keeps_alive = parser.should_keep_alive() and not self._ends_at_close
        self.has_head = True

    def on_message_complete(self) -> None:
        self.is_whole = self.has_head

    def _pass_interim(self) -> None:
        """An interim answer says nothing that matters here (RFC 9110, section 15.2); an upgrade was not asked for."""
        if self.status == 101:
            self._refuse("an upgrade that was not asked for")
        self.fields.clear()

    def _check_coding(self, version: str) -> bool:
        """Whether the body is chunked. Any other transfer coding was not asked for, and with HTTP/1.0 there is none
        (RFC 9112, section 6.1)."""
        coding = self.fields.get(b"transfer-encoding")
        if coding is None:
            return False
        if coding.strip().lower() != b"chunked" or version == "1.0":
            self._refuse("a transfer coding that was not asked for")
        return True

    def _refuse(self, what: str) -> None:
        self._fault = what
        raise Malformed(what)
