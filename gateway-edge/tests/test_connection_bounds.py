"""Connections above a bound, and connections that are slow, over real sockets: told so, and nobody else's problem."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.config.schema import Protection
from chassis.errors import RunestoneError
from chassis.metrics import Metrics
from gateway_edge.door.proxies import TrustedProxies
from gateway_edge.door.reply import HttpReply
from gateway_edge.http1 import connections as connections_module
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.connections import Connections
from gateway_edge.http1.request import Request
from gateway_edge.protection import connection_bounds
from gateway_edge.protection.connection_bounds import ConnectionBounds

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HELLO = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
SLOW = 300


async def echo(request: Request, connection: Connection) -> None:
    reply = HttpReply(request, connection, str)
    try:
        await reply.send(await connection.read_body(1 << 20, 60))
    except RunestoneError as error:
        await reply.fail(error)


class Door:
    """A listening echo under bounds, and those who come to it."""

    def __init__(self, port: int, metrics: Metrics, visitors: AsyncExitStack) -> None:
        self.port = port
        self._metrics = metrics
        self._visitors = visitors

    async def connect(self, source: str = "127.0.0.1") -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        self._visitors.callback(lambda: writer.transport.abort())  # noqa: PLW0108  keeps the writer alive, too
        return reader, writer

    async def ask(self, streams: Streams, sent: bytes = HELLO) -> tuple[int, dict[str, str]]:
        """The status and headers of the answer to `sent`."""
        reader, writer = streams
        writer.write(sent)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:-2])
        await reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers

    def count(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(self._metrics.exposition().decode())
        samples = [sample for family in families for sample in family.samples if sample.name == f"runestone_{name}"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    async def wait_until(self, name: str, value: float, **labels: str) -> None:
        while self.count(name, **labels) != value:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_door(proxies: TrustedProxies | None = None, fitting: int = 1000, **given: Any) -> AsyncIterator[Door]:
    metrics, protection, trusted = Metrics(), Protection(**given), proxies or TrustedProxies()
    connections = Connections(echo, ConnectionBounds(lambda: protection, lambda: trusted, metrics, fitting), sweep=0.02)
    server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0, backlog=1024)
    async with AsyncExitStack() as visitors:
        yield Door(server.sockets[0].getsockname()[1], metrics, visitors)
    server.close()
    await connections.close(0.1)


async def test_connections_above_the_bound_are_answered_503_and_closed() -> None:
    async with open_door(max_connections=2) as door:
        inside = [await door.connect() for _ in range(2)]
        assert [(await door.ask(streams))[0] for streams in inside] == [200, 200]
        reader, _ = outside = await door.connect()
        status, headers = await door.ask(outside)
        assert (status, headers["retry-after-ms"], headers["retry-after"]) == (503, "1000", "1")
        assert (headers["connection"], headers["x-should-retry"]) == ("close", "true")
        assert await reader.read() == b""
        assert (await door.ask(inside[0]))[0] == 200
        assert door.count("connections_refused_total", bound="total") == 1
        assert door.count("connections") == 2


async def test_a_connection_that_closes_makes_room() -> None:
    async with open_door(max_connections=1) as door:
        for _ in range(3):
            streams = await door.connect()
            assert (await door.ask(streams))[0] == 200
            streams[1].close()
            await door.wait_until("connections", 0)


async def test_one_address_cannot_take_all_connections() -> None:
    async with open_door(max_connections_per_address=2) as door:
        greedy = [await door.connect("127.0.0.2") for _ in range(3)]
        assert sorted([(await door.ask(streams))[0] for streams in greedy]) == [200, 200, 429]
        assert (await door.ask(await door.connect("127.0.0.3")))[0] == 200
        assert door.count("connections_refused_total", bound="address") == 1


async def test_a_trusted_proxys_connections_are_not_one_clients() -> None:
    async with open_door(TrustedProxies(["127.0.0.2"]), max_connections_per_address=1) as door:
        assert [(await door.ask(await door.connect("127.0.0.2")))[0] for _ in range(3)] == [200, 200, 200]


async def test_what_the_process_cannot_hold_is_refused_whatever_is_configured() -> None:
    async with open_door(fitting=1) as door:
        assert [(await door.ask(await door.connect()))[0] for _ in range(2)] == [200, 503]


async def test_those_who_wait_for_their_refusal_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections_module, "MOST_REFUSED", 1)
    async with open_door(max_connections=1) as door:
        assert (await door.ask(await door.connect()))[0] == 200
        waiting = await door.connect()
        await door.wait_until("connections_refused_total", 1)
        reader, _ = await door.connect()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert (await door.ask(waiting))[0] == 503


async def test_a_refused_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_edge.http1.connection.LINGER", 0.05)
    async with open_door(max_connections=1) as door:
        assert (await door.ask(await door.connect()))[0] == 200
        reader, _ = await door.connect()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        await door.wait_until("connections_expired_total", 1, phase="closing")


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\nhel",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\nexpect: 100-continue\r\n\r\n",
    ],
)
async def test_a_body_that_comes_too_slowly_is_408(sent: bytes) -> None:
    async with open_door(body_grace=0.05) as door:
        reader, writer = await door.connect()
        writer.write(sent)
        answer = await reader.read()
        assert answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_drips_is_408_and_one_that_flows_is_read() -> None:
    """Both take longer than the grace; only one keeps the rate."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
    async with open_door(body_grace=0.1, min_body_rate=1000) as door:
        flowing, dripping = await door.connect(), await door.connect()
        flowing[1].write(head % 50_000)
        dripping[1].write(head % 50)
        for _ in range(50):
            flowing[1].write(b"x" * 1000)
            dripping[1].write(b"x")
            await asyncio.sleep(0.01)
        assert (await door.ask(flowing, b""))[0] == 200
        assert (await door.ask(dripping, b""))[0] == 408


async def test_slow_connections_leave_others_unharmed_and_end() -> None:
    """Slowloris: hundreds of clients that never finish their headers or bodies, while one works."""
    async with open_door(header_timeout=1.0, body_grace=1.0) as door:
        slow = [await door.connect() for _ in range(SLOW)]
        for index, (_, writer) in enumerate(slow):
            writer.write(HELLO[:-1] if index % 2 else HELLO[:30])
        working = await door.connect()
        for _ in range(50):
            assert (await door.ask(working))[0] == 200
        answers = await asyncio.gather(*(reader.read() for reader, _ in slow))
        assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 408 Request Timeout"}
        assert (await door.ask(working))[0] == 200
        await door.wait_until("connections", 1)


def test_a_process_takes_the_descriptors_it_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1024, 4096)]
    monkeypatch.setattr(connection_bounds.resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(connection_bounds.resource, "setrlimit", lambda _, wanted: limits.append(wanted))
    assert connection_bounds.raise_descriptor_limit() == 4096 - connection_bounds.KEPT_DESCRIPTORS
    assert limits[-1] == (4096, 4096)
