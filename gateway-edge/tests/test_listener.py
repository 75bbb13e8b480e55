"""The listening side: silent connections, `Expect: 100-continue`, ends from outside."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway_edge import listener as listener_module
from gateway_edge.intake import read_body, read_timeout
from gateway_edge.listener import HttpListener
from gateway_edge.settings import EdgeSettings


class EchoDoor:
    """Answers with the body."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request.protocol.has_asked = True
        response = web.Response(body=await read_body(request, 1 << 20, 5.0))
        await response.prepare(request)
        await response.write_eof()
        return response

    async def wait_until_empty(self, patience: float) -> None: ...

    def end_running(self) -> None: ...


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[int]:
    monkeypatch.setattr(listener_module, "FIRST_HEADERS", 0.1)
    settings = EdgeSettings(
        host="127.0.0.1",
        port=0,
        socket=None,
        drain_delay=0,
        drain_grace=0,
        spool_dir=tmp_path,
        spool_max_bytes=1,
        worker=0,
    )
    door: Any = EchoDoor()
    async with HttpListener(door, settings) as listening:
        yield listening.port


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nhost: x\r\nx-slow"], ids=["nothing", "half of the headers"])
async def test_a_connection_that_never_asks_is_closed(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(10):
            assert await reader.read() == b""
    except ConnectionResetError:
        pass
    writer.close()


async def test_a_client_that_waits_for_100_continue_gets_it(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await reader.readexactly(5) == b"hello"
    writer.close()


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
