"""An rpc's two directions, over grpc.aio."""

import asyncio
from typing import Any

import grpc
import grpc.aio

from chassis.errors import Reason, RunestoneError
from runestone.gateway.v1.gateway_pb2 import CallRequest, CallResponse

Context = grpc.aio.ServicerContext[CallRequest, CallResponse]


class RpcLine:
    """Reads for one task, writes for several: gRPC takes one message at a time, and the next when that is on its way."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = asyncio.Lock()

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
                await self._context.write(response)
            except grpc.aio.BaseError as error:
                raise ConnectionResetError("the caller is gone") from error
