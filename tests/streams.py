"""Streams over HTTP as their bytes: read up to an event, left, read on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from chassis.sse import find_ends

RESUMABLE = {"x-runestone-resumable": "1"}


@dataclass
class Piece:
    """What one connection brought: whole events with their numbers, and whether the stream ended."""

    headers: Mapping[str, str]
    status: int
    numbers: list[int] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    is_whole: bool = False
    document: bytes = b""

    @property
    def stream_id(self) -> str:
        return self.headers["x-runestone-stream"]

    @property
    def body(self) -> bytes:
        return b"".join(self.events)


async def read(
    client: aiohttp.ClientSession,
    method: str,
    path: str,
    *,
    most: int = 10**9,
    into: Piece | None = None,
    **request: Any,
) -> Piece:
    """Reads until the end, or until `most` events have come; then the connection is cut, whatever else has come. What comes until the
    connection breaks is in `into`."""
    piece = into or Piece({}, 0)
    async with client.request(method, path, **request) as answer:
        piece.headers, piece.status = answer.headers, answer.status
        if answer.status != 200:
            piece.document = await answer.read()
            return piece
        rest = b""
        async for data in answer.content.iter_any():
            rest = _take(piece, rest + data, most)
            if len(piece.events) >= most:
                answer.close()
                return piece
        assert rest == b""
        piece.is_whole = True
    return piece


def _take(piece: Piece, data: bytes, most: int) -> bytes:
    start = 0
    for end in find_ends(data):
        if len(piece.events) < most:
            _note(piece, data[start:end])
        start = end
    return data[start:]


def _note(piece: Piece, event: bytes) -> None:
    if event == b": ping\n\n":  # the gateway's own is no event
        return
    if event.startswith(b"id: "):
        number, _, event = event.partition(b"\n")
        piece.numbers.append(int(number[4:]))
    piece.events.append(event)


def open_client(url: str, secret: str) -> aiohttp.ClientSession:
    """Every request has a connection of its own, so that it may come to any worker."""
    headers = {"authorization": f"Bearer {secret}"}
    return aiohttp.ClientSession(url, headers=headers, connector=aiohttp.TCPConnector(force_close=True))
