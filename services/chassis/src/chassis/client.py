"""The gRPC channel that every caller uses: generated stubs work on it as on a plain one.

It adds what grpc.aio leaves out: the rest of the call's deadline, the trace, reconnection in milliseconds, and the
callee's `RunestoneError` instead of an `AioRpcError`. It wraps the multicallables instead of using grpc's interceptors:
docs/adr/0002 says why.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Self, TypeVar, cast

import grpc
import grpc.aio

from chassis.clock import Clock, SystemClock
from chassis.context import current
from chassis.deadline import time_for_hop
from chassis.errors import from_rpc
from chassis.server import MAX_MESSAGE
from chassis.tracing import TRACEPARENT, Tracing

Metadata = Sequence[tuple[str, str | bytes]]

T = TypeVar("T")


def closing(answers: AsyncIterable[T]) -> "aclosing[AsyncGenerator[T]]":
    """The answers of a streaming rpc, as a context that cancels the rpc when it is left:
    `async with closing(stub.Call(request)) as answers`."""
    return aclosing(cast("AsyncGenerator[T]", answers))


def channel_options() -> list[tuple[str, int | str]]:
    """Message sizes, keepalive and back-off, the counterpart of `server.server_options`."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 50),
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.lb_policy_name", "round_robin"),
        ("grpc.enable_retries", 0),  # retries are decided where it is known what was begun
    ]


class Channel(grpc.aio.Channel):
    """A channel to one service, for generated stubs: `CacheServiceStub(channel)`.

    `timeout` (seconds) bounds every call on it, whatever the call's own deadline. Failed calls raise `RunestoneError`.
    Cancelling the awaiting task, or closing the iterator of a stream, cancels the rpc at the callee.
    """

    def __init__(self, address: str, *, tracing: Tracing, timeout: float = 600.0, clock: Clock | None = None) -> None:
        self.address = address
        self._timeout = timeout
        self._tracing = tracing
        self._clock = clock or SystemClock()
        self._channel = grpc.aio.insecure_channel(address, options=channel_options())

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether there is a connection, waiting up to `timeout` seconds for one. Costs nothing when there is."""
        if self.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return True
        try:
            await asyncio.wait_for(self.channel_ready(), timeout)
        except TimeoutError:
            return False
        return True

    def unary_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        """The multicallable of a unary rpc."""
        return self._one_answer(method, self._channel.unary_unary(method, *serializers, **options))

    def stream_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        """The multicallable of a client-streaming rpc."""
        return self._one_answer(method, self._channel.stream_unary(method, *serializers, **options))

    def unary_stream(self, method: str, *serializers: Any, **options: Any) -> Any:
        """The multicallable of a server-streaming rpc. Close its iterator (`aclosing`) to cancel early."""
        return self._many_answers(method, self._channel.unary_stream(method, *serializers, **options))

    def stream_stream(self, method: str, *serializers: Any, **options: Any) -> Any:
        """The multicallable of a bidirectional rpc. Close its iterator (`aclosing`) to cancel early."""
        return self._many_answers(method, self._channel.stream_stream(method, *serializers, **options))

    def _one_answer(self, method: str, inner: Any) -> Callable[..., Awaitable[Any]]:
        name = method.strip("/")

        async def call(request: Any, *, timeout: float | None = None, metadata: Metadata = ()) -> Any:
            with self._tracing.span(name, kind="client"):
                seconds, ours = self._outgoing(timeout)
                try:
                    return await inner(request, timeout=seconds, metadata=(*ours, *metadata))
                except grpc.aio.AioRpcError as failure:
                    raise from_rpc(failure) from failure

        return call

    def _many_answers(self, method: str, inner: Any) -> Callable[..., AsyncIterator[Any]]:
        name = method.strip("/")

        async def call(request: Any, *, timeout: float | None = None, metadata: Metadata = ()) -> AsyncIterator[Any]:
            with self._tracing.span(name, kind="client"):
                seconds, ours = self._outgoing(timeout)
                stream = inner(request, timeout=seconds, metadata=(*ours, *metadata))
                try:
                    async for message in stream:
                        yield message
                except grpc.aio.AioRpcError as failure:
                    raise from_rpc(failure) from failure
                finally:
                    stream.cancel()

        return call

    def _outgoing(self, timeout: float | None) -> tuple[float, Metadata]:
        """The deadline and the metadata of the next hop."""
        call = current()
        seconds = time_for_hop(call.deadline, self._clock.monotonic(), timeout or self._timeout)
        return seconds, ((TRACEPARENT, call.trace.traceparent),)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The connection's state, as grpc.aio says it."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state is another than `last_observed_state`."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when there is a connection."""
        await self._channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Closes the connection; running calls have `grace` seconds, none by default."""
        await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Channel({self.address}, {self.get_state().name})"
