"""Where requests go: an origin server, or the proxy before it, read from the operator's configuration."""

from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

PORTS = {"http": 80, "https": 443}
_SAFE_IN_TARGET = "/?:@!$&'()*+,;=-._~%"  # RFC 3986, section 3.3 and 3.4; what is encoded already stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A server. `prefix` stands before every path; `credentials` is the value of an authorization header, "" without."""

    host: str
    port: int
    is_tls: bool
    prefix: str = ""
    credentials: str = ""

    @property
    def authority(self) -> str:
        """Host and port as in a URL; the port is left out where it is the scheme's own (RFC 9110, section 4.2.3)."""
        return self._host if self.port == PORTS[self._scheme] else self.address

    @property
    def address(self) -> str:
        """Host and port, always both (RFC 9112, section 3.2.3)."""
        return f"{self._host}:{self.port}"

    @property
    def root(self) -> str:
        """The URL without a path."""
        return f"{self._scheme}://{self.authority}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def _scheme(self) -> str:
        return "https" if self.is_tls else "http"

    def __repr__(self) -> str:
        return f"Origin({self.root}{self.prefix})"


def parse_origin(url: str) -> Origin:
    """The origin of an http or https URL; `user:password@` in it becomes basic credentials (RFC 7617).

    Raises ValueError for any other URL.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("an address must begin with http:// or https:// and name a host")
    query = f"?{parts.query}" if parts.query else ""
    return Origin(
        host=_ascii(parts.hostname),
        port=parts.port or PORTS[parts.scheme],
        is_tls=parts.scheme == "https",
        prefix=quote(parts.path.rstrip("/") + query, safe=_SAFE_IN_TARGET),
        credentials=_basic(parts.username, parts.password),
    )


def _ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _basic(user: str | None, password: str | None) -> str:
    if not user:
        return ""
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"
