"""One HTTP answer of a provider, from its headers on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Self

from chassis.config.schema import Timeouts
from chassis.errors import Reason, RunestoneError
from provider_svc.http1.coding import Inflater, is_coded
from provider_svc.http1.connection import Connection
from provider_svc.http1.faults import WireFault
from provider_svc.http1.reply import Headers, Reply
from provider_svc.wire_faults import failure_within, invalid, timed_out

MAX_ANSWER = 64 << 20  # bytes of a whole document; must fit in one gRPC message
MAX_ERROR_BODY = 64 << 10
PATIENCE_FOR_END = 0.1  # seconds; the end of a body nearly always comes with its last event


class Answer:
    """A provider's answer from its headers on. Nothing is read from the socket while nobody asks for the next block,
    but for a bounded read-ahead. `expires` is a time of the loop."""

    def __init__(self, name: str, connection: Connection, reply: Reply, timeouts: Timeouts, *, expires: float) -> None:
        self.status = reply.status
        self.headers: Mapping[str, str] = Headers(reply.fields)
        self._name = name
        self._connection = connection
        self._reply = reply
        self._timeouts = timeouts
        self._expires = expires
        self._time = connection.time

    def blocks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in blocks of at most a few hundred KiB; may be left at any point.

        Raises PROVIDER_TIMEOUT (idle or total), PROVIDER_STREAM_CUT when the connection breaks before the body's end,
        PROVIDER_INVALID_ANSWER when the body cannot be decoded.
        """
        try:
            return _Inflated(self._name, self) if is_coded(self._reply.fields.get(b"content-encoding")) else self
        except WireFault as exc:
            raise failure_within(self._name, exc) from exc

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            self._check_total()
            try:
                block = self._connection.take()
            except WireFault as exc:
                raise failure_within(self._name, exc) from exc
            if block:
                return block
            if self._reply.is_whole:
                raise StopAsyncIteration
            await self._wait()

    async def read(self, bound: int) -> bytes:
        """The whole body. Raises PROVIDER_INVALID_ANSWER when it is larger than `bound` bytes, and what `blocks` raises."""
        body, size = [], 0
        async for block in self.blocks():
            body.append(block)
            size += len(block)
            if size > bound:
                raise RunestoneError(
                    Reason.PROVIDER_INVALID_ANSWER,
                    f"provider {self._name} sent an answer larger than {bound} bytes",
                    upstream_status=self.status,
                )
        return b"".join(body)

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
        if self._reply.is_whole and not self._reply.size:
            return
        try:
            async with asyncio.timeout(PATIENCE_FOR_END):
                async for _ in self:
                    pass
        except (TimeoutError, RunestoneError):
            return

    async def _wait(self) -> None:
        idle = self._time() + self._timeouts.idle
        try:
            await self._connection.wait(min(idle, self._expires))
        except TimeoutError as exc:
            self._check_total()
            raise timed_out(self._name, f"sent nothing for {self._timeouts.idle:g} s (idle timeout)") from exc
        except WireFault as exc:
            raise failure_within(self._name, exc) from exc

    def _check_total(self) -> None:
        if self._time() >= self._expires:
            raise timed_out(self._name, f"was not done after {self._timeouts.total:g} s (total timeout)")


class _Inflated:
    """A compressed answer's body, decoded."""

    def __init__(self, name: str, blocks: AsyncIterator[bytes]) -> None:
        self._name = name
        self._blocks = blocks
        self._inflater = Inflater()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            while not (piece := self._inflater.take()):
                self._inflater.feed(await self._next_block())
        except WireFault as exc:
            raise invalid(self._name, exc) from exc
        return piece

    async def _next_block(self) -> bytes:
        try:
            return await anext(self._blocks)
        except StopAsyncIteration:
            self._inflater.finish()
            raise
