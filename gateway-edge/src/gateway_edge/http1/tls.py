"""Accepting connections over TLS (RFC 8446). Handshakes cost more than anything else a stranger can ask for, and none can be
refused politely before it is over: so they are accepted here, bounded in number and time."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from chassis.config.schema import Tls
from chassis.kept_files import KeptFiles
from chassis.logs import Logger
from gateway_edge.http1.connections import Connections

T = TypeVar("T")

SETTING = "edge.http.tls"
HANDSHAKE_TIMEOUT = 10.0  # seconds
BREATH = 0.1  # seconds until the next attempt when the process can accept no more


class HandshakeBounds(Protocol):
    """How many clients may be agreeing on keys at once."""

    def begin_handshake(self, address: str) -> bool:
        """Counts a handshake; or says that there is no room for it, and does not."""

    def end_handshake(self, address: str) -> None:
        """Forgets one that was counted: it is over, whichever way."""


def open_context(tls: Tls, setting: str = SETTING) -> ssl.SSLContext:
    """What handshakes are made with: TLS 1.2 or later, HTTP/1.1 in it, and where `tls.ca` is set a certificate of the client's.
    Raises OSError when a file cannot be read or is no PEM."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.cert, tls.key, password=_refuse_to_ask)
        if tls.ca:
            context.load_verify_locations(tls.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        raise OSError(f"{setting}: cannot use {', '.join(map(str, list_files(tls)))}: {error}") from error
    return context


def keep_context(tls: Tls, log: Logger) -> KeptFiles[ssl.SSLContext]:
    """What to make the next handshake with, as the files are then. Raises OSError when there is none to begin with."""
    return keep_certificate(tls, lambda: open_context(tls), SETTING, log)


def keep_certificate(tls: Tls, read: Callable[[], T], setting: str, log: Logger) -> KeptFiles[T]:
    """What `read` makes of a door's files, anew when they change; of a change that cannot be used the log is told, and what was before stays.
    Raises OSError where `read` does to begin with."""
    return KeptFiles(
        list_files(tls),
        read,
        taken=lambda _found: log.info("certificate reloaded", setting=setting),
        refused=lambda error: log.error(
            "certificate refused; the one before stays in use", setting=setting, reason=str(error)
        ),
    )


def list_files(tls: Tls) -> list[Path]:
    """The files of a door's certificate."""
    return [Path(path) for path in (tls.cert, tls.key, tls.ca) if path]


def _refuse_to_ask() -> str:
    raise ValueError("the key is encrypted, and nobody is there to ask for its password")


class TlsServer:
    """Hands connections over whose handshake is done, as an `asyncio.Server` does: it accepts from `start` to `close`. Each handshake is made
    with what `context` gives then."""

    def __init__(
        self,
        listening: socket.socket,
        context: Callable[[], ssl.SSLContext],
        connections: Connections,
        bounds: HandshakeBounds,
    ) -> None:
        self.sockets = (listening,)
        self._context = context
        self._connections = connections
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Accepts from now on."""
        self.sockets[0].setblocking(False)
        self._accepting = self._loop.create_task(self._accept_all(), name="tls door")

    def close(self) -> None:
        """Accepts no more, and ends what is still being agreed on."""
        for task in (self._accepting, *self._handshakes):
            task.cancel()

    async def wait_closed(self) -> None:
        """Returns when nothing is left of it."""
        await asyncio.gather(self._accepting, *self._handshakes, return_exceptions=True)

    async def _accept_all(self) -> None:
        with self.sockets[0] as listening:
            while True:
                try:
                    accepted, peer = await self._loop.sock_accept(listening)
                except OSError:  # no descriptor is left, or the client has gone already
                    await asyncio.sleep(BREATH)
                else:
                    self._begin(accepted, peer[0])

    def _begin(self, accepted: socket.socket, address: str) -> None:
        if not self._bounds.begin_handshake(address):
            accepted.close()
            return
        handshake = self._loop.create_task(self._agree(accepted, address))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)

    async def _agree(self, accepted: socket.socket, address: str) -> None:
        try:
            with contextlib.suppress(
                OSError
            ):  # of a client that is none, or leaves; TimeoutError and SSLError are such
                await self._loop.connect_accepted_socket(
                    self._connections, accepted, ssl=self._context(), ssl_handshake_timeout=HANDSHAKE_TIMEOUT
                )
        finally:
            self._bounds.end_handshake(address)

    def __repr__(self) -> str:
        return f"TlsServer({len(self._handshakes)} handshakes)"
