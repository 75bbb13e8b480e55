"""The door over TLS: who gets in with which certificate and version, and that handshakes are bounded."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import grpc.aio
import pytest

from chassis.config.schema import Protection, Tls
from chassis.errors import RunestoneError
from chassis.logs import get_logger
from chassis.metrics import Metrics
from gateway_edge.door.proxies import TrustedProxies
from gateway_edge.door.reply import HttpReply
from gateway_edge.grpc_door.credentials import open_credentials
from gateway_edge.http1 import tls as tls_module
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.connections import Connections
from gateway_edge.http1.request import Request
from gateway_edge.http1.tls import TlsServer, keep_context, open_context
from gateway_edge.protection import connection_bounds
from gateway_edge.protection.connection_bounds import ConnectionBounds

NEW_KEY = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"]
HELLO = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def make_certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Tls]:
    """Makes self-signed certificates; each is its own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    place = tmp_path_factory.mktemp("certificates")

    def make(name: str, *options: str) -> Tls:
        certificate, key = place / f"{name}.pem", place / f"{name}.key"
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        command = [*NEW_KEY, *subject, *(options or ["-nodes"]), "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True, timeout=20)
        return Tls(cert=str(certificate), key=str(key))

    return make


@pytest.fixture(scope="module")
def server(make_certificate: Callable[..., Tls]) -> Tls:
    return make_certificate("server")


async def echo(request: Request, connection: Connection) -> None:
    reply = HttpReply(request, connection, str)
    try:
        await reply.send(await connection.read_body(1000, 5))
    except RunestoneError as error:
        await reply.fail(error)


@asynccontextmanager
async def open_door(tls: Tls, metrics: Metrics | None = None) -> AsyncIterator[int]:
    """A listening echo's port."""
    bounds = ConnectionBounds(Protection, TrustedProxies, metrics or Metrics())
    connections = Connections(echo, bounds, sweep=0.02)
    listening = socket.create_server(("127.0.0.1", 0))
    context = keep_context(tls, get_logger("test"))
    door = TlsServer(listening, lambda: context.current, connections, bounds)
    port = listening.getsockname()[1]
    door.start()
    try:
        yield port
    finally:
        door.close()
        await connections.close(0.1)
        await door.wait_closed()


def show(tls: Tls, place: Path) -> Tls:
    """A certificate as the one that lies in `place` now."""
    shown = Tls(cert=str(place / "c"), key=str(place / "k"))
    shutil.copy(tls.key, shown.key)
    shutil.copy(tls.cert, shown.cert)
    return shown


def spoil(tls: Tls) -> None:
    Path(tls.cert).write_text("half a")


def read(tls: Tls) -> bytes:
    return Path(tls.cert).read_bytes()


def trusting(tls: Tls, own: Tls | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.cert)
    if own is not None:
        context.load_cert_chain(own.cert, own.key)
    return context


async def ask(port: int, context: ssl.SSLContext, sent: bytes = HELLO) -> bytes:
    """All that a client reads that asks once and waits for the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(sent.replace(b"host: x", b"host: x\r\nconnection: close"))
    try:
        return await reader.read()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_a_client_that_knows_the_certificate_is_answered(server: Tls) -> None:
    async with open_door(server) as port:
        answer = await ask(port, trusting(server))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nhello")


async def test_a_new_certificate_is_shown_to_who_comes_next(
    server: Tls, make_certificate: Callable[..., Tls], tmp_path: Path
) -> None:
    """Without a restart; files that cannot be used change nothing, and who is connected stays."""
    newer, shown = make_certificate("newer"), show(server, tmp_path)
    async with open_door(shown) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(server))
        show(newer, tmp_path)
        assert (await ask(port, trusting(newer))).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(port, trusting(server))
        spoil(shown)
        assert (await ask(port, trusting(newer))).startswith(b"HTTP/1.1 200 ")
        writer.write(HELLO)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_the_grpc_door_shows_it_too(server: Tls, make_certificate: Callable[..., Tls], tmp_path: Path) -> None:
    newer, shown = make_certificate("newer-grpc"), show(server, tmp_path)

    async def connects(trusted: Tls) -> bool:
        credentials = grpc.ssl_channel_credentials(read(trusted))
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options=options) as channel:
            try:
                await channel.unary_unary("/none/Such")(b"", timeout=5)
            except grpc.aio.AioRpcError as error:
                return error.code() is grpc.StatusCode.UNIMPLEMENTED
        raise AssertionError("nobody serves that")

    serving = grpc.aio.server()
    credentials = open_credentials(shown, get_logger("test"))
    port = serving.add_secure_port("localhost:0", credentials)
    await serving.start()
    try:
        assert await connects(server)
        show(newer, tmp_path)
        assert await connects(newer)
        assert not await connects(server)
        spoil(shown)
        assert await connects(newer)
    finally:
        await serving.stop(None)


async def test_a_refusal_arrives_whole_while_the_body_still_comes(server: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS a connection cannot be closed by halves: the answer's length says where it ends."""
    monkeypatch.setattr("gateway_edge.http1.connection.LINGER", 0.3)
    async with open_door(server) as port:
        answer = await ask(port, trusting(server), HELLO.replace(b": 5", b": 500000") + b"x" * 400_000)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b"}}")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions_that_hold_are_spoken(server: Tls, version: ssl.TLSVersion) -> None:
    context = trusting(server)
    context.minimum_version = context.maximum_version = version
    async with open_door(server) as port:
        assert (await ask(port, context)).startswith(b"HTTP/1.1 200 ")


def test_older_versions_are_not_spoken(server: Tls) -> None:
    assert open_context(server).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_client_may_have_to_show_a_certificate(server: Tls, make_certificate: Callable[..., Tls]) -> None:
    client, stranger = make_certificate("client"), make_certificate("stranger")
    async with open_door(Tls(cert=server.cert, key=server.key, ca=client.cert)) as port:
        assert (await ask(port, trusting(server, client))).startswith(b"HTTP/1.1 200 ")
        for own in (None, stranger):
            with suppress(OSError):  # the alert, or only the end, comes first
                assert await ask(port, trusting(server, own)) == b""


async def test_what_is_no_handshake_ends_and_harms_nobody(server: Tls) -> None:
    async with open_door(server) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO)
        with suppress(ConnectionError):
            assert b"HTTP" not in await reader.read()
        writer.close()
        assert (await ask(port, trusting(server))).startswith(b"HTTP/1.1 200 ")


async def test_a_handshake_that_does_not_come_ends(server: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_module, "HANDSHAKE_TIMEOUT", 0.05)
    async with open_door(server) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_handshakes_are_bounded_and_one_address_has_half_of_them(
    server: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_bounds, "MOST_HANDSHAKES", 4)
    metrics = Metrics()
    async with open_door(server, metrics) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)) for _ in range(3)]
        with suppress(ConnectionError):
            assert await slow[2][0].read() == b""
        assert (await ask(port, trusting(server))).startswith(b"HTTP/1.1 200 ")
        assert b'runestone_connections_refused_total{bound="handshakes"} 1.0' in metrics.exposition()
        for _, writer in slow:
            writer.close()


async def test_closing_ends_handshakes_and_lets_the_port_go(server: Tls) -> None:
    async with open_door(server) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    socket.create_server(("127.0.0.1", port)).close()


def test_a_key_that_needs_a_password_is_a_clear_error(make_certificate: Callable[..., Tls]) -> None:
    """Nobody is there to be asked."""
    locked = make_certificate("locked", "-passout", "pass:secret")
    with pytest.raises(OSError, match=r"edge\.http\.tls: cannot use .*locked\.key"):
        open_context(locked)


def test_files_that_cannot_be_used_are_named(server: Tls, tmp_path: Path) -> None:
    for broken in (Tls(cert=str(tmp_path / "no.pem"), key=server.key), Tls(cert=server.key, key=server.key)):
        with pytest.raises(OSError, match=r"edge\.http\.tls: cannot use .*\.key"):
            open_context(broken)
