"""Who speaks on a new connection, as TLS has agreed (ALPN, RFC 7301)."""

import asyncio
from collections.abc import Callable

from provider_svc.http1.connection import Connection
from provider_svc.http2.connection import SharedConnection

OFFERED = ["h2", "http/1.1"]


class Negotiating(asyncio.Protocol):
    """Stands in while the handshake lasts; `chosen` is who followed."""

    def __init__(self, make_shared: Callable[[], SharedConnection], make_plain: Callable[[], Connection]) -> None:
        self.chosen: SharedConnection | Connection | None = None
        self._make_shared = make_shared
        self._make_plain = make_plain

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        self.chosen = self._make_shared() if agreed == "h2" else self._make_plain()
        transport.set_protocol(self.chosen)
        self.chosen.connection_made(transport)
