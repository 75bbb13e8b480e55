"""Opening connections: name look-up, TCP, a tunnel through a proxy where one is configured, TLS."""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

from provider_svc.http1.addresses import AddressBook
from provider_svc.http1.connection import Connection
from provider_svc.http1.faults import ConnectTimeout, NotConnected
from provider_svc.http1.origin import Origin
from provider_svc.http1.race import connect_first

Spoken = TypeVar("Spoken", bound=asyncio.Protocol)

LONGEST_TUNNEL_HEAD = 16 << 10

_tunnel_status = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]").match


class Dialer:
    """Opens connections to one origin. `ca` is the path of a PEM file with the authorities to trust instead of the
    system's; `proxy` is asked for a tunnel to an origin with TLS, and connected to in place of one without. `book` has the addresses of
    whichever is connected to."""

    def __init__(self, origin: Origin, book: AddressBook, *, ca: str = "", proxy: Origin | None = None) -> None:
        self._origin = origin
        self._book = book
        self._proxy = proxy if origin.is_tls else None
        self._ca = ca
        self._context: ssl.SSLContext | None = None

    async def dial(self, on_lost: Callable[[Connection], None], deadline: float) -> Connection:
        """An open connection. Raises NotConnected, ConnectTimeout at the loop time `deadline`; leaves no socket open when it
        raises or is cancelled."""
        loop = asyncio.get_running_loop()
        return await self.open(lambda: Connection(loop, on_lost), ["http/1.1"], deadline)

    async def open(self, make: Callable[[], Spoken], offered: list[str], deadline: float) -> Spoken:
        """What `make` made, connected; where there is TLS the protocols `offered` are, those first that are preferred (RFC 7301).
        Raises as `dial`."""
        timer = asyncio.timeout_at(deadline)
        try:
            async with timer:
                return await self._open(make, offered)
        except TimeoutError as exc:
            if timer.expired():
                raise ConnectTimeout("did not accept a connection") from exc
            raise NotConnected(_reason_of(exc)) from exc
        except (OSError, ValueError) as exc:
            raise NotConnected(_reason_of(exc)) from exc

    async def _open(self, make: Callable[[], Spoken], offered: list[str]) -> Spoken:
        context = self._tls(offered) if self._origin.is_tls else None
        opened = await connect_first(await self._book.find(), avoid=self._book.avoid)
        if self._proxy is not None:
            await _open_tunnel(opened, self._origin, self._proxy)
        host = self._origin.host if context is not None else None
        loop = asyncio.get_running_loop()
        _, spoken = await loop.create_connection(make, sock=opened, ssl=context, server_hostname=host)
        return spoken

    def _tls(self, offered: list[str]) -> ssl.SSLContext:
        """Made when it is first needed, as reading the authorities takes a while. What is offered is read at the handshake's begin."""
        if self._context is None:
            try:
                self._context = ssl.create_default_context(cafile=self._ca or None)
            except OSError as exc:
                raise NotConnected("the file of authorities (ca) cannot be read") from exc
        self._context.set_alpn_protocols(offered)
        return self._context


async def _open_tunnel(opened: socket.socket, origin: Origin, proxy: Origin) -> None:
    """Asks the proxy to connect to the origin (RFC 9110, section 9.3.6). Raises NotConnected when it does not; the socket is
    closed then, and when this is cancelled."""
    credentials = f"proxy-authorization: {proxy.credentials}\r\n" if proxy.credentials else ""
    head = f"CONNECT {origin.address} HTTP/1.1\r\nhost: {origin.address}\r\n{credentials}\r\n"
    try:
        await asyncio.get_running_loop().sock_sendall(opened, head.encode("latin-1"))
        check_tunnel(await _read_head(opened))
    except BaseException:
        opened.close()
        raise


async def _read_head(opened: socket.socket) -> bytes:
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = await asyncio.get_running_loop().sock_recv(opened, LONGEST_TUNNEL_HEAD)
        answer += piece
        if not piece or len(answer) > LONGEST_TUNNEL_HEAD:
            raise NotConnected("the proxy did not answer a request for a tunnel")
    return answer


def check_tunnel(answer: bytes) -> None:
    """Raises NotConnected unless a proxy's answer opens a tunnel, and nothing has come out of it before anything went in."""
    status = _tunnel_status(answer)
    if status is None or not status[1].startswith(b"2"):
        raise NotConnected(f"the proxy refused a tunnel (HTTP {status[1].decode() if status else 'not spoken'})")
    if not answer.endswith(b"\r\n\r\n"):
        raise NotConnected("the proxy sent more than an answer to a request for a tunnel")


def _reason_of(exc: Exception) -> str:
    """The system's words for it, without the address: that is the operator's business, not the client's."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return "its certificate is not valid"
    if isinstance(exc, ssl.SSLError):
        return "TLS could not be agreed on"
    if isinstance(exc, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(exc, OSError) and exc.errno:
        return os.strerror(exc.errno)
    return type(exc).__name__
