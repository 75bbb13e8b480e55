"""An rpc's two directions, over grpc.aio."""

import asyncio
from typing import Any

import grpc
import grpc.aio

from chassis.errors import Reason, RunestoneError
from runestone.gateway.v1.gateway_pb2 import CallRequest, CallResponse

Context = grpc.aio.ServicerContext[CallRequest, CallResponse]

LAST_WORDS = 1.0  # seconds that the last message may take to be sent


class RpcLine:
    """Reads for one task, writes for several: gRPC takes one message at a time, and the next when that is on its way. A write that is
    cancelled half-way would spoil the rpc for those that follow, so what gRPC has begun to send is sent, whoever is cancelled meanwhile."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = asyncio.Lock()
        self._sending: asyncio.Future[None] | None = None

    async def read_first(self, patience: float) -> CallRequest:
        """The first message. Raises REQUEST_TIMEOUT when it has not come within `patience` seconds, INVALID_REQUEST where there is none."""
        try:
            async with asyncio.timeout(patience):
                first = await self.read()
        except TimeoutError:
            message = f"the first message did not come within {patience:g} s"
            raise RunestoneError(Reason.REQUEST_TIMEOUT, message) from None
        if first is None:
            raise RunestoneError(Reason.INVALID_REQUEST, "the first message must be `open` or `attach`")
        return first

    async def read(self) -> CallRequest | None:
        """What the caller says next; None when it has half-closed."""
        request: Any = await self._context.read()
        return None if request is grpc.aio.EOF else request

    async def write(self, response: CallResponse) -> None:
        """Sends a message behind those that are on their way. Waits while the caller does not read; raises ConnectionError when it is gone."""
        async with self._turn:
            try:
                if self._sending is not None:
                    await asyncio.shield(self._sending)
                self._sending = asyncio.ensure_future(self._context.write(response))
                await asyncio.shield(self._sending)
            except grpc.aio.BaseError as error:
                raise ConnectionResetError("the caller is gone") from error
            self._sending = None

    async def write_last(self, response: CallResponse) -> None:
        """Sends the last message, for which nobody is waited long. Raises ConnectionError when it is not taken."""
        try:
            async with asyncio.timeout(LAST_WORDS):
                await self.write(response)
        except TimeoutError:
            raise ConnectionResetError("the caller does not read") from None

    async def close(self) -> None:
        """Gives up what is being sent. The rpc is over."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
