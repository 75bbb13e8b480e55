"""One HTTP answer of a provider, from its headers on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Self

from chassis.config.providers import Timeouts
from chassis.errors import Reason, RunestoneError
from provider_svc.carrier import Carrier, Reply
from provider_svc.http1.coding import is_coded
from provider_svc.http1.faults import WireFault
from provider_svc.http1.reply import Headers
from provider_svc.inflated import Inflated
from provider_svc.wire_faults import failure_within, fell_silent, timed_out

MAX_ANSWER = 64 << 20  # bytes of a whole document; must fit in one gRPC message
MAX_ERROR_BODY = 64 << 10
PATIENCE_FOR_END = 0.1  # seconds; the end of a body nearly always comes with its last event

Take = Callable[[bytes], bool]  # takes a block of the body; whether it takes another now


class Answer:
    """A provider's answer from its headers on. Nothing is read from the socket while nobody asks for the next block,
    but for a bounded read-ahead. `begun` is the loop time at which the call began."""

    def __init__(self, name: str, carrier: Carrier, reply: Reply, timeouts: Timeouts, *, begun: float) -> None:
        self.status = reply.status
        self._name = name
        self._carrier = carrier
        self._reply = reply
        self._timeouts = timeouts
        self._begins_by = begun + timeouts.first_byte
        self._expires = begun + timeouts.total
        self._has_begun = False
        self._time = carrier.time
        self._body: AsyncIterator[bytes] | None = None
        self._take: Take | None = None
        self._wants_more = True
        self._failure: Exception | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers."""
        return Headers(self._reply.fields)

    def header(self, name: bytes) -> str:
        """One header by its name in small letters; "" where it is absent."""
        return self._reply.fields.get(name, b"").decode("latin-1")

    def blocks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in blocks of at most a few hundred KiB; may be left at any point, and asked for again.

        Raises PROVIDER_TIMEOUT (first byte, idle or total), PROVIDER_STREAM_CUT when the connection breaks before the body's end,
        PROVIDER_INVALID_ANSWER when the body cannot be decoded.
        """
        if self._body is None:
            self._body = self._decode()
        return self._body

    async def flow(self, take: Take) -> bool:
        """Hands each block to `take` until that returns False, for it takes no more now. Returns whether the body has ended.

        Where nothing has to be decoded, blocks are handed on in the very callback that brings them, and no task is woken
        for them. Raises what `blocks` and `take` raise; may be asked again.
        """
        blocks = self.blocks()
        self._take, self._wants_more = take if blocks is self else None, True
        try:
            async for block in blocks:
                if not take(block):
                    return False
            return self._wants_more
        finally:
            self._take, self._wants_more = None, True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while self._wants_more:
            self._check_total()
            try:
                block = self._carrier.take()
            except WireFault as exc:
                raise failure_within(self._name, exc) from exc
            if block:
                self._has_begun = True
                return block
            if self._reply.is_whole:
                break
            await self._wait()
        raise StopAsyncIteration

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

    def _decode(self) -> AsyncIterator[bytes]:
        try:
            return Inflated(self._name, self) if is_coded(self._reply.fields.get(b"content-encoding")) else self
        except WireFault as exc:
            raise failure_within(self._name, exc) from exc

    async def _wait(self) -> None:
        next_by = self._time() + self._timeouts.idle if self._has_begun else self._begins_by
        deadline = min(next_by, self._expires)
        try:
            if self._take is None:
                await self._carrier.wait(deadline)
            else:
                await self._carrier.wait_beside(self._hand_on, deadline, self._timeouts.idle, self._expires)
        except TimeoutError as exc:
            self._check_total()
            raise fell_silent(self._name, self._timeouts, has_begun=self._has_begun) from exc
        except WireFault as exc:
            raise failure_within(self._name, exc) from exc
        if self._failure is not None:
            raise self._failure

    def _hand_on(self, block: bytes) -> bool:
        """Hands a block on in the socket's callback; whether the next may come the same way. What goes wrong is the task's
        to hear."""
        assert self._take is not None
        self._has_begun = True
        try:
            self._wants_more = self._take(block)
        except Exception as failure:  # noqa: BLE001  raised again where the task waits
            self._failure = failure
            return False
        return self._wants_more

    def _check_total(self) -> None:
        if self._time() >= self._expires:
            raise timed_out(self._name, f"was not done after {self._timeouts.total:g} s (total timeout)")
