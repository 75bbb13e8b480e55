"""A WebSocket client that sends whatever bytes a test likes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from socket_stage import KEY, PATH

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10


class Frame(NamedTuple):
    """What the server sent: opcode, payload, and the first byte's high bits."""

    opcode: int
    payload: bytes
    bits: int = FIN


def frame(opcode: int, payload: bytes = b"", *, bits: int = FIN, mask: bytes | None = b"\x12\x34\x56\x78") -> bytes:
    """A client's frame; without a mask what no client may send."""
    size = len(payload)
    flag = 0x80 if mask is not None else 0
    if size < 126:
        head = bytes((bits | opcode, flag | size))
    elif size < 1 << 16:
        head = bytes((bits | opcode, flag | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((bits | opcode, flag | 127)) + size.to_bytes(8, "big")
    if mask is None:
        return head + payload
    repeated = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    return head + mask + masked


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


def handshake(target: str = PATH, **changed: str | None) -> bytes:
    """A good handshake, but for what is changed: header names with `_` for `-`; None leaves one out."""
    headers: dict[str, str | None] = {
        "host": "edge.example",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        "authorization": f"Bearer {KEY}",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode()


class RawClient:
    """One connection behind its handshake. `answer` is the head of what was answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
        self.answer = answer
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def flush(self) -> None:
        await self._writer.drain()

    async def read(self, size: int) -> bytes:
        """So many bytes as they come."""
        async with asyncio.timeout(10):
            return await self._reader.readexactly(size)

    async def receive(self, patience: float = 10.0) -> Frame | None:
        """The next frame; None when the server closed the connection."""
        async with asyncio.timeout(patience):
            try:
                first, size = await self._reader.readexactly(2)
                if size > 125:
                    size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
                return Frame(first & 0x0F, await self._reader.readexactly(size), first & 0xF0)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def receive_all(self, patience: float = 10.0) -> list[Frame]:
        """All frames until the server closes the connection."""
        frames = []
        while (received := await self.receive(patience)) is not None:
            frames.append(received)
        return frames


@asynccontextmanager
async def connected(port: int, request: bytes | None = None) -> AsyncIterator[RawClient]:
    """A connection whose handshake was answered, however; it is aborted behind the test."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        writer.write(handshake() if request is None else request)
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n\r\n")
        yield RawClient(reader, writer, answer)
    finally:
        writer.transport.abort()
