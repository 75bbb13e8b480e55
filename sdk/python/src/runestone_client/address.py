"""Where to connect. Pure."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

PATH, VERSION = "/socket/websocket", "2.0.0"
SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def read_address(url: str) -> str:
    """The socket's address at a gateway's: `http://127.0.0.1:4003` is as good as `ws://127.0.0.1:4005/socket/websocket?vsn=2.0.0`. Raises
    ValueError for what is neither HTTP nor WebSocket."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise ValueError(f"{url!r} is no http, https, ws or wss address")
    path = parts.path.rstrip("/")
    if not path.endswith("/websocket"):
        path = f"{path}/websocket" if path.endswith("/socket") else f"{path.removesuffix('/v1')}{PATH}"
    query = urlencode({"vsn": VERSION, **dict(parse_qsl(parts.query))})
    return urlunsplit((SCHEMES[parts.scheme], parts.netloc, path, query, ""))
