"""What a client asks with one message: what a request would ask. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from gateway_edge.callers.session import Session

WEBSOCKET = "ws"  # the front of what comes over one
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Message(Struct, frozen=True, kw_only=True):
    """`method`, `path`, `query`, `headers` (in lower case) and `body` are as they would stand in a request; `front` is how it came (`ws`,
    `grpc`), for metrics, logs and spans. Who calls is the `session`'s to say: credentials among `headers` are not looked at.
    `dialogue` is where a call speaks with its client both ways, which may take `longest` seconds in place of `edge.call_timeout`."""

    session: Session
    front: str
    path: str
    method: str = "POST"
    query: str = ""
    headers: Mapping[str, str] = NO_HEADERS
    body: bytes = b""
    dialogue: Any = None
    longest: float | None = None
