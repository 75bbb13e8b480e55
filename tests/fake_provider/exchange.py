"""One request as the provider saw it, and what became of its connection."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_provider.memory import Memory
from fake_provider.multipart import Upload
from fake_provider.wishes import Wishes


@dataclass(slots=True, eq=False)
class Exchange:
    """`document` is the body: JSON, or the fields of a form (whose files are `uploads`); empty where there is none.
    `written` counts the body bytes that the kernel took. `closed_early` is set when the client's socket was closed
    before the answer was out, at the monotonic time `closed_at`; `over` is set in any case. `status` is the answer's, 0 before it."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    document: dict[str, Any]
    wishes: Wishes
    number: int = 1
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    deployment: str = ""  # the model in the path, as Azure has it
    remote: str = ""  # the address that it came from
    uploads: list[Upload] = field(default_factory=list)
    memory: Memory = field(default_factory=Memory)
    status: int = 0
    arrived_at: float = field(default_factory=time.monotonic)
    written: int = 0
    closed_at: float | None = None
    closed_early: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)  # set by a test that wished to `hold`

    @property
    def model(self) -> str:
        return str(self.document.get("model") or self.deployment)

    @property
    def stream(self) -> bool:
        if self.method == "GET":
            return self.query.get("stream") == "true"
        return self.document.get("stream") in {True, "true"} or self.document.get("stream_format") == "sse"

    def note_closed(self) -> None:
        self.closed_at = time.monotonic()
        self.closed_early.set()

    async def wait_closed(self, patience: float = 10.0) -> None:
        """Returns when the client has closed early; raises TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience):
            await self.closed_early.wait()

    async def wait_over(self, patience: float = 10.0) -> None:
        """Returns when the answer is out, or will never be."""
        async with asyncio.timeout(patience):
            await self.over.wait()

    async def wait_written(self, count: int, patience: float = 10.0) -> None:
        """Returns when at least `count` bytes are out."""
        async with asyncio.timeout(patience):
            while self.written < count:
                await asyncio.sleep(0.005)

    async def wait_still(self, quiet: float = 0.3, patience: float = 20.0) -> int:
        """Returns how many bytes are out once none has left for `quiet` seconds: the buffers between are full."""
        async with asyncio.timeout(patience):
            while True:
                before = self.written
                await asyncio.sleep(quiet)
                if self.written == before:
                    return before
