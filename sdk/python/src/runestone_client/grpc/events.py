"""Server-sent events as chunks. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from runestone_client.cursor import Chunk

DONE = "[DONE]"


def cut(body: bytes, first: int, ends: Sequence[int], last: int) -> Iterator[Chunk]:
    """The events in `body` that say something, behind event `last`: the n-th has the number `first + n`."""
    start = 0
    for seq, end in enumerate(ends, first):
        name, data = read_event(body[start:end].decode(errors="replace"))
        start = end
        if seq > last and data and data != DONE:
            yield Chunk(seq, _read(data), name)


def read_event(text: str) -> tuple[str, str]:
    """Its name and data (HTML, section 9.2.6)."""
    name, data = "", []
    for line in text.splitlines():
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
    return name, "\n".join(data)


def _read(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data
