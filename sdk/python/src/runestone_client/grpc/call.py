"""One call over the gRPC door."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import grpc

from runestone.common.v1.usage_pb2 import Usage
from runestone.gateway.v1.gateway_pb2 import Accepted, Attach, CallRequest, CallResponse, Completed, Control
from runestone_client.backoff import Backoff
from runestone_client.cursor import Chunk
from runestone_client.errors import ConnectionLostError, EventsLostError, RunestoneError
from runestone_client.grpc.events import cut
from runestone_client.grpc.failures import read_error, read_failure

Rpc = grpc.aio.StreamStreamCall[CallRequest, CallResponse]
MOST_TRIES = 8
BACKOFF = Backoff(shortest=0.1, longest=5.0)


class Call:
    """An answer that has begun: an async iterator over the chunks of a stream, for one reader. Behind the end stand `usage`, `cost` (dollars) and
    `finish_reason`; None is not known. It raises what ended it when it is not whole.

    A resumable one goes on over another connection when its own is lost, behind the last event that was read; any other raises
    ConnectionLostError. Who does not read has the provider wait. `async with` ends the rpc, which cancels a call that is not resumable."""

    def __init__(self, rpc: Rpc, open_rpc: Callable[[], Rpc]) -> None:
        self.accepted = Accepted()
        self.usage: Usage | None = None
        self.cost: float | None = None
        self.finish_reason: str | None = None
        self.is_paused = self.is_over = False
        self.last_seq = 0
        self._rpc, self._open_rpc = rpc, open_rpc
        self._unread: deque[Chunk] = deque()
        self._tries = 0

    @property
    def stream_id(self) -> str | None:
        """What to attach to; None where the call is not resumable."""
        return self.accepted.stream_id or None

    @property
    def headers(self) -> Mapping[str, str]:
        """Those that an HTTP answer would have."""
        return self.accepted.headers

    async def begin(self, first: CallRequest) -> Self:
        """Asks. Raises what it was refused with; who cancels it cancels the call."""
        try:
            with contextlib.suppress(asyncio.InvalidStateError):  # it was refused already: reading says why
                await self._rpc.write(first)
            await self._take(await self._rpc.read())
        except grpc.aio.AioRpcError as error:
            raise read_failure(error) from error
        except BaseException:
            self._rpc.cancel()
            raise
        return self

    async def pause(self) -> None:
        """Asks for nothing more; what is on its way still comes. `is_paused` once the reader has heard that it was obeyed."""
        await self._control(Control.ACTION_PAUSE)

    async def resume(self) -> None:
        """Asks to go on."""
        await self._control(Control.ACTION_RESUME)

    async def cancel(self) -> None:
        """Asks to end it, for all its readers; the reader hears StreamCancelledError."""
        await self._control(Control.ACTION_CANCEL)

    async def read(self) -> bytes:
        """The whole body, of an answer that is no stream."""
        parts = []
        while not self.is_over:
            message = await self._read()
            if message is not None and message.WhichOneof("message") == "data":
                parts.append(message.data.body)
        return b"".join(parts)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        while not self._unread:
            if self.is_over:
                raise StopAsyncIteration
            await self._read()
        return self._unread.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the rpc. A resumable stream can be attached to for a while."""
        self._rpc.cancel()

    async def _read(self) -> CallResponse | None:
        """The next message; None where the connection was lost and is there again."""
        try:
            message: Any = await self._rpc.read()  # grpc's own EOF, or a message
            await self._take(message)
        except grpc.aio.AioRpcError as error:
            await self._go_on(read_failure(error))
            return None
        else:
            self._tries = 0
            answer: CallResponse = message
            return answer

    async def _take(self, message: Any) -> None:
        if message is grpc.aio.EOF:
            code = await self._rpc.code()  # raises nothing, but says how it ended
            raise EventsLostError(f"the call ended without an end ({code.name})") from None
        match message.WhichOneof("message"):
            case "accepted":
                self.accepted = message.accepted
            case "data" if message.data.first_seq:
                self._take_events(message)
            case "controlled":
                self.is_paused = message.controlled.paused
            case "completed":
                self._take_end(message.completed)
            case "failed":
                self.is_over = True
                raise read_error(message.failed.error)

    def _take_events(self, message: CallResponse) -> None:
        data = message.data
        if data.first_seq > self.last_seq + 1:
            raise EventsLostError(f"event {self.last_seq + 1} was expected, and {data.first_seq} came")
        self._unread.extend(cut(data.body, data.first_seq, data.ends, self.last_seq))
        self.last_seq = max(self.last_seq, data.first_seq + len(data.ends) - 1)

    def _take_end(self, completed: Completed) -> None:
        self.is_over = True
        self.usage = completed.usage if completed.HasField("usage") else None
        self.cost = completed.cost.nano_usd / 1e9 if completed.HasField("cost") else None
        self.finish_reason = completed.finish_reason or None

    async def _go_on(self, error: RunestoneError) -> None:
        if self.stream_id is None or not isinstance(error, ConnectionLostError) or self._tries >= MOST_TRIES:
            raise error
        await asyncio.sleep(BACKOFF.pause(self._tries, random.uniform))
        self._tries += 1
        self._rpc = self._open_rpc()
        accepted = self.accepted
        try:
            await self.begin(CallRequest(attach=Attach(stream_id=accepted.stream_id, after_seq=self.last_seq)))
        except ConnectionLostError as lost:
            await self._go_on(lost)
        finally:
            self.accepted = accepted

    async def _control(self, action: Control.Action.ValueType) -> None:
        try:
            await self._rpc.write(CallRequest(control=Control(action=action)))
        except grpc.aio.AioRpcError as error:
            raise read_failure(error) from error
        except asyncio.InvalidStateError:
            return  # it is over
