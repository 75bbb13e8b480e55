"""One gRPC call for each call: for tools, for peers that are not ours, and to carry sessions between machines."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import grpc.aio

from chassis.errors import from_rpc
from chassis.metadata import Metadata
from chassis.server import MAX_MESSAGE


def channel_options() -> list[tuple[str, int | str]]:
    """Message sizes, keepalive and back-off, the counterpart of `server.server_options`."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 2_000),  # how long an attempt may take: a pod that starts is short of CPU
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.lb_policy_name", "round_robin"),
        ("grpc.enable_retries", 0),  # retries are decided where it is known what was begun
    ]


class PlainLink:
    """A grpc.aio channel to one address, carrying bytes."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.channel = grpc.aio.insecure_channel(address, options=channel_options())
        self._unary: dict[str, Any] = {}

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        """A unary call. Raises RunestoneError."""
        multicallable = self._unary.get(method)
        if multicallable is None:
            multicallable = self._unary[method] = self.channel.unary_unary(method)
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
        await self.channel.close()

    def __repr__(self) -> str:
        return f"PlainLink({self.channel.get_state().name})"
