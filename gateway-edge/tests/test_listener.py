"""The listening side over real sockets: keeping, ending and pausing connections."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from chassis.config.schema import Protection
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from gateway_edge.door.intake import read_timeout
from gateway_edge.door.proxies import TrustedProxies
from gateway_edge.door.reply import HttpReply
from gateway_edge.endpoints.voices import COMMENT
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.connections import Connections
from gateway_edge.http1.request import Request
from gateway_edge.protection.connection_bounds import ConnectionBounds

HELLO = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
MOST = 1 << 20


class Echo:
    """Answers with the body; paths choose otherwise."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, request: Request, connection: Connection) -> None:
        reply = HttpReply(request, connection, lambda: "door;dur=0", ping_interval=0.01)
        self.begun.set()
        try:
            await self._answer(request, connection, reply)
        except RunestoneError as error:
            await reply.fail(error)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            reply.stop_pinging()

    async def _answer(self, request: Request, connection: Connection, reply: HttpReply) -> None:
        if request.fault is not None:
            raise request.fault
        match request.path:
            case "/unread":
                await reply.send(b"no")
            case "/wait":
                await self.go_on.wait()
                await reply.send(b"done")
            case "/stream":
                for event in (b"data: 1\n\n", b"data: 2\n\n"):
                    await reply.write(event)
                await reply.close()
            case "/pings":
                reply.expect_events()
                await self.go_on.wait()
                await reply.write(b"data: 1\n\n")
                await reply.close()
            case "/sound" | "/cut":
                await self._speak(reply, is_cut=request.path == "/cut")
            case "/large":
                await reply.send(b"x" * (64 << 20))
            case "/injected":
                reply.headers["x-model"] = "a\r\nset-cookie: b"
                await reply.send(b"")
            case _:
                await reply.send(await connection.read_body(MOST, 0.5), "text/plain")

    async def _speak(self, reply: HttpReply, *, is_cut: bool) -> None:
        await reply.begin("audio/mpeg")
        await reply.write(b"\xff\xfb")
        await self.go_on.wait()
        if is_cut:
            raise RunestoneError(Reason.PROVIDER_STREAM_CUT, "it broke off")
        await reply.write(b"\x90")
        await reply.close()


class Served:
    """A listening echo and connections to it."""

    def __init__(self, echo: Echo, connections: Connections, port: int) -> None:
        self.echo = echo
        self.connections = connections
        self.port = port

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@asynccontextmanager
async def serving(**protection: Any) -> AsyncIterator[Served]:
    echo = Echo()
    bounds = ConnectionBounds(lambda: Protection(**protection), TrustedProxies, Metrics())
    connections = Connections(echo, bounds, sweep=0.02)
    server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
    yield Served(echo, connections, server.sockets[0].getsockname()[1])
    server.close()
    await connections.close(0.1)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    return head, await reader.readexactly(length)


async def test_a_connection_carries_one_answer_after_the_other(served: Served) -> None:
    async with served.connect() as (reader, writer):
        for _ in range(3):
            writer.write(HELLO)
            head, body = await read_answer(reader)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\ndate: " in head
            assert body == b"hello"


async def test_requests_sent_at_once_are_answered_in_order(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(HELLO + HELLO.replace(b"hello", b"world") + HELLO)
        assert [(await read_answer(reader))[1] for _ in range(3)] == [b"hello", b"world", b"hello"]


@pytest.mark.parametrize("header", [b"connection: close\r\n", b""], ids=["asked for", "HTTP/1.0"])
async def test_a_connection_ends_with_its_answer_when_it_shall(served: Served, header: bytes) -> None:
    async with served.connect() as (reader, writer):
        version = b"1.1" if header else b"1.0"
        writer.write(b"GET /stream HTTP/" + version + b"\r\nhost: x\r\n" + header + b"\r\n")
        answer = await reader.read()
        assert b"connection: close" in answer
        assert (b"transfer-encoding: chunked" in answer) == bool(header)
        assert b"data: 1\n\n" in answer


async def test_a_stream_is_chunked_and_ends_once(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n" + HELLO)
        stream = await reader.readuntil(b"0\r\n\r\n")
        assert stream.endswith(b"\r\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        assert (await read_answer(reader))[1] == b"hello"


async def test_a_client_that_waits_hears_pings(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"GET /pings HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(COMMENT)
        await reader.readuntil(COMMENT)
        served.echo.go_on.set()
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")


async def test_a_header_cannot_end_its_own_line(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"GET /injected HTTP/1.1\r\nhost: x\r\n\r\n")
        head, _ = await read_answer(reader)
        assert b"\r\nx-model: a  set-cookie: b\r\n" in head


async def test_a_head_request_gets_no_body(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"HEAD /unread HTTP/1.1\r\nhost: x\r\n\r\nGET /unread HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-length: 2\r\n" in head
        assert await read_answer(reader) != (b"", b"")


async def test_a_connection_that_never_asks_is_closed() -> None:
    async with serving(header_timeout=0.05) as served, served.connect() as (reader, _):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.parametrize("before", [b"", HELLO], ids=["the first request", "a later one"])
async def test_headers_that_do_not_come_are_408(before: bytes) -> None:
    async with serving(header_timeout=0.1) as served, served.connect() as (reader, writer):
        if before:
            writer.write(before)
            await read_answer(reader)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nx-slow")
        head, body = await read_answer(reader)
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"request_timeout" in body
        assert await reader.read() == b""


async def test_a_connection_that_asks_no_more_is_closed() -> None:
    async with serving(idle_timeout=0.05) as served, served.connect() as (reader, writer):
        writer.write(HELLO)
        await read_answer(reader)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


async def test_a_client_that_waits_for_100_continue_gets_it(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await read_answer(reader))[1] == b"hello"


async def test_an_answer_without_reading_the_body_reaches_a_client_that_still_sends(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n")
        writer.write(b"x" * 3_000_000)
        head, body = await read_answer(reader)
        assert b"connection: close" in head
        assert body == b"no"
        assert await reader.read() == b""


async def test_a_body_above_the_bound_is_refused_while_it_comes(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(20):
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 413 ")


async def test_a_large_body_arrives_whole(served: Served) -> None:
    async with served.connect() as (reader, writer):
        body = bytes(range(256)) * 4096
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        assert (await read_answer(reader))[1] == body


async def test_a_body_that_does_not_come_is_408(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(HELLO[:-1])
        assert (await read_answer(reader))[0].startswith(b"HTTP/1.1 408 ")


async def test_what_is_not_http_is_told_so_and_ends(served: Served) -> None:
    async with served.connect() as (reader, writer):
        writer.write(b"hello, are you there?\r\n\r\n")
        head, body = await read_answer(reader)
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"invalid_request_error" in body
        assert await reader.read() == b""


async def test_a_client_that_leaves_cancels_its_call(served: Served) -> None:
    async with served.connect() as (_, writer):
        writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await served.echo.begun.wait()
        writer.close()
        await served.echo.cancelled.wait()


async def test_a_client_that_does_not_read_holds_up_only_its_own_call(served: Served) -> None:
    slow = socket.create_connection(("127.0.0.1", served.port))
    slow.send(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
    await served.echo.begun.wait()
    async with served.connect() as (reader, writer):
        writer.write(HELLO)
        assert (await read_answer(reader))[1] == b"hello"
    assert not served.echo.cancelled.is_set()
    slow.close()
    await served.echo.cancelled.wait()


async def test_closing_ends_idle_connections_and_lets_busy_ones_answer(served: Served) -> None:
    async with served.connect() as (idle, _), served.connect() as (busy, writer):
        writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await served.echo.begun.wait()
        served.connections.close_idle()
        assert await idle.read() == b""
        served.echo.go_on.set()
        head, body = await read_answer(busy)
        assert b"connection: close" in head
        assert body == b"done"
        assert await busy.read() == b""
    await served.connections.close(1.0)
    assert len(served.connections) == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("250", 0.25),
        ("0", 60),
        ("-5", 60),
        ("1e3", 60),
        ("\u0661", 60),
        ("9" * 400, 60),
        ("9" * 5000, 60),
        ("999999999", 60),
        ("", 60),
    ],
)
def test_a_deadline_that_is_no_number_of_milliseconds_is_ignored(header: str, seconds: float) -> None:
    assert read_timeout({"x-runestone-timeout-ms": header}, 60) == seconds


@pytest.mark.parametrize("version", [aiohttp.HttpVersion11, aiohttp.HttpVersion10], ids=["HTTP/1.1", "HTTP/1.0"])
async def test_a_client_has_sound_as_it_comes_and_its_end_for_sure(
    served: Served, version: aiohttp.HttpVersion
) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{served.port}", version=version) as session:
        async with session.post("/sound") as answer:
            assert answer.content_type == "audio/mpeg"
            assert await answer.content.readany() == b"\xff\xfb"
            served.echo.go_on.set()
            assert await answer.read() == b"\x90"


async def test_a_client_never_takes_cut_sound_for_whole(served: Served) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{served.port}") as session, session.post("/cut") as answer:
        assert await answer.content.readany() == b"\xff\xfb"
        served.echo.go_on.set()
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_where_a_connections_end_is_the_end_of_the_body_a_cut_one_is_reset(served: Served) -> None:
    """Without chunks nothing else tells the two apart."""
    async with served.connect() as (reader, writer):
        writer.write(b"POST /cut HTTP/1.0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(2) == b"\xff\xfb"
        served.echo.go_on.set()
        with pytest.raises(ConnectionResetError):
            await reader.read()
