"""TLS and proxies: whom the client trusts, and what a proxy gets to see."""

import asyncio
import socket
from base64 import b64encode
from contextlib import asynccontextmanager, suppress

import pytest

from chassis.config.providers import Timeouts
from chassis.config.units import Duration
from chassis.errors import Reason, RunestoneError
from chassis.testing import free_port
from provider_svc.http1 import addresses
from provider_svc.http1.dialing import check_tunnel
from provider_svc.http1.faults import NotConnected
from provider_svc.upstream import Upstream


class Origin:
    """A server that answers each request with its own head, and keeps what it was sent."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.protocols: list[str | None] = []

    async def talk(self, reader, writer):
        if (tls := writer.get_extra_info("ssl_object")) is not None:
            self.protocols.append(tls.selected_alpn_protocol())
        while head := await _read_head(reader):
            length = int(head.rpartition(b"content-length: ")[2])
            body = await reader.readexactly(length)
            self.heads.append(head)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (length, body))
        writer.close()


class Proxy(Origin):
    """A proxy: tunnels CONNECT to `port`, answers everything else itself. `answer` replaces its answer to CONNECT."""

    def __init__(self, port: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        super().__init__()
        self.connects: list[bytes] = []
        self._port = port
        self._answer = answer

    async def talk(self, reader, writer):
        head = await _read_head(reader)
        if not head.startswith(b"CONNECT"):
            again = asyncio.StreamReader()
            again.feed_data(head)
            again.feed_data(await reader.read(1 << 16))
            again.feed_eof()
            await super().talk(again, writer)
            return
        self.connects.append(head)
        writer.write(self._answer)
        if not self._answer.startswith(b"HTTP/1.1 200"):
            writer.close()
            return
        onward, outward = await asyncio.open_connection("127.0.0.1", self._port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_pour(reader, outward))
            group.create_task(_pour(onward, writer))


async def _pour(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)
    await _close(writer)


async def _close(writer) -> None:
    """Returns when the socket is closed: a writer that outlives its loop would be another test's warning."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _read_head(reader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


@asynccontextmanager
async def serving(talker: Origin, **options):
    """The port where `talker` talks; at the end every connection is over."""
    running: set[asyncio.Task[None]] = set()

    async def talk(reader, writer):
        running.add(asyncio.current_task())
        try:
            await talker.talk(reader, writer)
        finally:
            await _close(writer)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            await asyncio.gather(*running)


@asynccontextmanager
async def upstream_at(url: str, *, timeouts: Timeouts | None = None, **options):
    upstream = Upstream("origin", url, timeouts or Timeouts(), **options)
    try:
        yield upstream
    finally:
        await upstream.close()


async def ask(upstream: Upstream, body: bytes = b"{}") -> bytes:
    async with asyncio.timeout(10), upstream.post("/chat", body, {"authorization": "Bearer k"}) as answer:
        return await answer.read(1 << 25)


async def failure_of(upstream: Upstream) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        await ask(upstream)
    assert (upstream.count_now()["open"], upstream.running) == (0, 0)
    return caught.value


async def test_an_own_authority_is_trusted_where_it_is_named(authority):
    origin, large = Origin(), b"x" * (5 << 20)
    async with (
        serving(origin, ssl=authority.context()) as port,
        upstream_at(f"https://localhost:{port}/v1", ca=authority.certificate) as upstream,
    ):
        assert await ask(upstream) == b"{}"
        assert await ask(upstream, large) == large
        assert upstream.statistics()["open"] == 1
        assert origin.protocols == ["http/1.1"]
        assert b"host: localhost:%d\r\n" % port in origin.heads[0]


@pytest.mark.parametrize(
    ("host", "named", "why"),
    [
        ("localhost", False, "its certificate is not valid"),
        ("127.0.0.1", True, "its certificate is not valid"),
    ],
    ids=["unknown authority", "another name"],
)
async def test_a_certificate_that_does_not_hold_is_no_connection(authority, host, named, why):
    async with (
        serving(Origin(), ssl=authority.context()) as port,
        upstream_at(f"https://{host}:{port}", ca=authority.certificate if named else "") as upstream,
    ):
        failure = await failure_of(upstream)
    assert (failure.reason, why in failure.message) == (Reason.PROVIDER_UNREACHABLE, True)


async def test_what_does_not_speak_tls_is_no_connection(authority):
    async with (
        serving(Plain()) as port,
        upstream_at(f"https://localhost:{port}", ca=authority.certificate) as upstream,
    ):
        failure = await failure_of(upstream)
    assert failure.reason is Reason.PROVIDER_UNREACHABLE
    assert "TLS could not be agreed on" in failure.message


async def test_authorities_that_cannot_be_read_are_said(tmp_path):
    async with upstream_at("https://localhost:1", ca=str(tmp_path / "none.pem")) as upstream:
        failure = await failure_of(upstream)
    assert failure.reason is Reason.PROVIDER_UNREACHABLE
    assert "(ca) cannot be read" in failure.message
    assert str(tmp_path) not in failure.message


class Plain(Origin):
    """Answers in plain HTTP whatever it is sent."""

    async def talk(self, reader, writer):
        await reader.read(1 << 16)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()


class Mute(Origin):
    """Accepts, and says nothing."""

    async def talk(self, reader, writer):
        while await reader.read(1 << 16):
            pass
        writer.close()


@pytest.mark.parametrize("through_proxy", [True, False])
async def test_a_handshake_or_tunnel_that_hangs_is_a_connect_timeout(through_proxy):
    async with serving(Mute()) as port:
        proxy = f"http://127.0.0.1:{port}" if through_proxy else ""
        timeouts = Timeouts(connect=Duration(0.1))
        async with upstream_at(f"https://localhost:{port}", timeouts=timeouts, proxy=proxy) as upstream:
            failure = await failure_of(upstream)
    assert failure.reason is Reason.PROVIDER_TIMEOUT
    assert "connect timeout" in failure.message


@pytest.mark.parametrize("through_proxy", [True, False])
async def test_cancelling_a_handshake_or_tunnel_closes_its_socket(through_proxy):
    """The server's end is over at once: `serving` waits for it."""
    async with serving(Mute()) as port:
        proxy = f"http://127.0.0.1:{port}" if through_proxy else ""
        async with upstream_at(f"https://localhost:{port}", proxy=proxy) as upstream:
            asking = asyncio.create_task(ask(upstream))
            await asyncio.sleep(0.05)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking


async def test_a_proxy_tunnels_tls_and_sees_no_request(authority):
    origin = Origin()
    async with serving(origin, ssl=authority.context()) as port, serving(proxy := Proxy(port)) as proxy_port:
        url, via = f"https://localhost:{port}", f"http://me:pw@127.0.0.1:{proxy_port}"
        async with upstream_at(url, ca=authority.certificate, proxy=via) as upstream:
            assert [await ask(upstream) for _ in range(2)] == [b"{}", b"{}"]
    assert len(proxy.connects) == 1
    assert proxy.connects[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % port)
    assert b"proxy-authorization: Basic " + b64encode(b"me:pw") in proxy.connects[0]
    assert [head.partition(b" ")[2][:5] for head in origin.heads] == [b"/chat", b"/chat"]
    assert not any(b"proxy-authorization" in head for head in origin.heads)


async def test_a_proxy_is_asked_for_the_whole_url_where_there_is_no_tls():
    async with (
        serving(proxy := Proxy(0)) as port,
        upstream_at("http://origin.example/v1", proxy=f"http://127.0.0.1:{port}") as upstream,
    ):
        assert await ask(upstream) == b"{}"
    assert proxy.heads[0].startswith(b"POST http://origin.example/v1/chat HTTP/1.1\r\nhost: origin.example\r\n")


async def test_a_proxy_that_refuses_is_no_connection_and_shows_no_password():
    async with serving(Proxy(0, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as port:
        async with upstream_at("https://localhost:1", proxy=f"http://me:canary@127.0.0.1:{port}") as upstream:
            failure = await failure_of(upstream)
    assert failure.reason is Reason.PROVIDER_UNREACHABLE
    assert "the proxy refused a tunnel (HTTP 407)" in failure.message
    assert "canary" not in failure.message


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nsmuggled",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"200 OK\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_only_a_clean_yes_opens_a_tunnel(answer):
    check_tunnel(b"HTTP/1.0 200 OK\r\nvia: x\r\n\r\n")
    with pytest.raises(NotConnected):
        check_tunnel(answer)


async def test_a_name_that_cannot_be_resolved_and_a_port_that_refuses_are_told_apart(monkeypatch):
    async with upstream_at(f"http://127.0.0.1:{free_port()}") as upstream:
        assert "Connection refused" in (await failure_of(upstream)).message

    async def look_up(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(addresses, "look_up", look_up)
    async with upstream_at("http://origin.example") as upstream:
        failure = await failure_of(upstream)
    assert failure.reason is Reason.PROVIDER_UNREACHABLE
    assert failure.message == "cannot connect to provider origin: its name cannot be resolved"
