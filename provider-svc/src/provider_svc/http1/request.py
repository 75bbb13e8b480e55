"""The head of a request, as bytes (RFC 9112, sections 3 and 5)."""

import re
from collections.abc import Mapping

from provider_svc.http1.origin import Origin

# RFC 9110, sections 5.1 and 5.5. Whatever else stood in a value could end the line, and with it the header or the head.
MAX_STARTS = 64  # most heads of a provider differ in their length only; what was written lately is kept

_is_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_is_target = re.compile(r"[\x21-\x7e]+").fullmatch
_is_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch


class RequestForm:
    """Fills in request heads for one origin. `always` are headers that every request has.

    A `proxy` for an origin without TLS is sent the absolute form of each target (RFC 9112, section 3.2.2); for one with TLS
    the connection is a tunnel and the proxy sees no request.
    """

    def __init__(self, origin: Origin, always: Mapping[str, str], proxy: Origin | None = None) -> None:
        own = {"host": origin.authority, **always}
        if origin.credentials:
            own["authorization"] = origin.credentials
        is_absolute = proxy is not None and not origin.is_tls
        if is_absolute and proxy is not None and proxy.credentials:
            own["proxy-authorization"] = proxy.credentials
        self._root = (origin.root if is_absolute else "") + origin.prefix
        self._own = own
        self._starts: dict[tuple[object, ...], bytes] = {}

    def fill_in(self, path: str, headers: Mapping[str, str], length: int) -> bytes:
        """The head of a POST to `path` below the prefix, with `length` bytes of body to follow; `headers` win over the
        form's own. Raises ValueError, without the value in it, for a header that HTTP does not allow."""
        key = (path, *headers.items())
        start = self._starts.get(key)
        if start is None:
            start = self._write_start("POST", path, headers)
            if len(self._starts) >= MAX_STARTS:
                self._starts.clear()
            self._starts[key] = start
        return b"%bcontent-length: %d\r\n\r\n" % (start, length)

    def fill_in_bare(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """The head of a request without a body, whose path does not come again: nothing is kept of it. Raises ValueError for a path,
        too, that could end the line."""
        if not _is_target(path):
            raise ValueError("the path holds a character that HTTP does not allow")
        length = b"content-length: 0\r\n" if method == "POST" else b""  # RFC 9110, section 8.6
        return self._write_start(method, path, headers) + length + b"\r\n"

    def _write_start(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        lines = _write_lines({**self._own, **headers})
        return f"{method} {self._root}{path} HTTP/1.1\r\n{lines}".encode("latin-1")


def _write_lines(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if not _is_name(name) or not _is_value(value):
            raise ValueError(f"the header {name!r} holds a character that HTTP does not allow")
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
