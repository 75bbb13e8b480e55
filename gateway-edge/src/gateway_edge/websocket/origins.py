"""Which browser pages may open a WebSocket (RFC 6454; RFC 6455, section 10.2): CORS does not hold for them. Pure."""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

ANY = "*"
PORTS = {"http": 80, "https": 443}


def may_connect(headers: Mapping[str, str], origins: Collection[str]) -> bool:
    """Whether the page that a request comes from may: its host is the gateway's own, or it is one of `origins`. What sends no origin is no
    browser, and can say it is whoever it likes."""
    origin = headers.get("origin")
    if origin is None or ANY in origins or origin in origins:
        return True
    try:
        page = urlsplit(origin)
    except ValueError:
        return False  # no page has such an address
    if page.scheme not in PORTS:
        return False
    return page.netloc.lower() in _spellings(headers.get("host", "").lower(), PORTS[page.scheme])


def _spellings(host: str, port: int) -> set[str]:
    return {host, host.removesuffix(f":{port}")} if host else set()
