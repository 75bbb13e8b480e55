"""One gRPC call for each call: for tools, for peers that are not ours, and to carry sessions between machines."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import grpc.aio

from chassis.dialing import PLAINLY, Dial
from chassis.errors import from_rpc
from chassis.metadata import Metadata

LAST_CALLS = 600.0  # seconds that calls have on a channel that another has taken the place of


class PlainLink:
    """A grpc.aio channel to one address, carrying bytes. When `dial` would open it in another way (the certificate is a new one), the
    next call goes over a new channel; calls on the old one end where they are."""

    def __init__(self, address: str, dial: Dial = PLAINLY) -> None:
        self._address = address
        self._dial = dial
        self._edition = dial.edition
        self._channel = dial.open(address)
        self._unary: dict[str, Any] = {}
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def channel(self) -> grpc.aio.Channel:
        """What the next call goes over."""
        if self._dial.edition is not self._edition:
            self._renew()
        return self._channel

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        """A unary call. Raises RunestoneError."""
        channel = self.channel
        multicallable = self._unary.get(method)
        if multicallable is None:
            multicallable = self._unary[method] = channel.unary_unary(method)
        try:
            answer: bytes = await multicallable(request, timeout=timeout, metadata=tuple(metadata))
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure
        return answer

    async def stream(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> AsyncGenerator[bytes]:
        """A server-streaming call. Raises RunestoneError; closing it early cancels the call."""
        multicallable: Any = self.channel.unary_stream(method)
        stream = multicallable(request, timeout=timeout, metadata=tuple(metadata))
        try:
            async for answer in stream:
                yield answer
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure
        finally:
            stream.cancel()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection; begins to connect where there is none."""
        return self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether there is a connection, waiting up to `timeout` seconds for one."""
        if self.is_connected:
            return True
        try:
            await asyncio.wait_for(self.channel.channel_ready(), timeout)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Ends the connection; running calls fail."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self._channel.close()

    def _renew(self) -> None:
        retiring = asyncio.create_task(_see_off(self._channel))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)
        self._edition = self._dial.edition
        self._channel = self._dial.open(self._address)
        self._unary.clear()

    def __repr__(self) -> str:
        return f"PlainLink({self._channel.get_state().name})"


async def _see_off(channel: grpc.aio.Channel) -> None:
    """Closes it when its last call has ended."""
    try:
        await channel.close(LAST_CALLS)
    finally:
        await channel.close()
