"""One HTTP answer of a provider, from its headers on."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Self

import aiohttp

from chassis.config.schema import Timeouts
from chassis.errors import Reason, RunestoneError
from provider_svc.wire_faults import reading, timed_out

MAX_ANSWER = 64 << 20  # bytes of a whole document; must fit in one gRPC message
MAX_ERROR_BODY = 64 << 10
PATIENCE_FOR_END = 0.1  # seconds; the end of a body nearly always comes with its last event


class Answer:
    """A provider's answer from its headers on. Nothing is read from the socket while nobody asks for the next block,
    but for a bounded read-ahead."""

    def __init__(self, name: str, response: aiohttp.ClientResponse, timeouts: Timeouts, expires: float) -> None:
        self._name = name
        self._response = response
        self._timeouts = timeouts
        self._expires = expires

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The HTTP headers; names match in any case."""
        return self._response.headers

    def blocks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in blocks of at most a few hundred KiB; may be left at any point.

        Raises PROVIDER_TIMEOUT (idle or total), PROVIDER_STREAM_CUT when the connection breaks before the body's end,
        PROVIDER_INVALID_ANSWER when the body cannot be decoded.
        """
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        content = self._response.content
        while True:
            self._check_total()
            with reading(self._name):
                block = content.read_nowait(-1) or await self._wait_for_block()
            if block:
                return block
            if content.at_eof():
                raise StopAsyncIteration

    async def read(self, bound: int) -> bytes:
        """The whole body. Raises PROVIDER_INVALID_ANSWER when it is larger than `bound` bytes, and what `blocks` raises."""
        body = bytearray()
        async for block in self.blocks():
            body += block
            if len(body) > bound:
                raise RunestoneError(
                    Reason.PROVIDER_INVALID_ANSWER,
                    f"provider {self._name} sent an answer larger than {bound} bytes",
                    upstream_status=self.status,
                )
        return bytes(body)

    async def read_error(self) -> bytes:
        """The beginning of an error's body; as much as there is when it breaks off, for the status is known already."""
        body = bytearray()
        try:
            async for block in self.blocks():
                body += block
                if len(body) >= MAX_ERROR_BODY:
                    break
        except RunestoneError:
            pass
        return bytes(body[:MAX_ERROR_BODY])

    async def finish(self) -> None:
        """Reads what stands behind an answer's last event, so that the connection can be used again; gives up soon, as
        the answer is whole already."""
        try:
            async with asyncio.timeout(PATIENCE_FOR_END):
                async for _ in self.blocks():
                    pass
        except (TimeoutError, RunestoneError):
            return

    async def _wait_for_block(self) -> bytes:
        left = self._expires - time.monotonic()
        try:
            async with asyncio.timeout(min(self._timeouts.idle, left)):
                return await self._response.content.readany()
        except TimeoutError as exc:
            self._check_total()
            raise timed_out(self._name, f"sent nothing for {self._timeouts.idle:g} s (idle timeout)") from exc

    def _check_total(self) -> None:
        if time.monotonic() >= self._expires:
            raise timed_out(self._name, f"was not done after {self._timeouts.total:g} s (total timeout)")
