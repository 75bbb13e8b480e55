"""The channel that every caller puts its stubs on, whatever carries the calls.

It adds what grpc.aio leaves out: the rest of the call's deadline, the trace, the snapshot's version, and the callee's `RunestoneError` instead of
an `AioRpcError`. A `Link` beneath it carries bytes: `PlainLink` one gRPC call each, `chassis.mux.MuxLink` all calls on one
stream, `chassis.replicas.ReplicaLink` over several addresses.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any, NoReturn, Protocol, Self, TypeVar, cast

import grpc
import grpc.aio

from chassis.clock import Clock, SystemClock
from chassis.context import current
from chassis.deadline import time_for_hop
from chassis.hop import Hop, Observer
from chassis.metadata import VERSION, Metadata
from chassis.metric_families import Histogram
from chassis.plain import PlainLink
from chassis.tracing import TRACEPARENT, TRACESTATE, Tracing

T = TypeVar("T")


def closing(answers: AsyncIterable[T]) -> "aclosing[AsyncGenerator[T]]":
    """The answers of a streaming rpc, as a context that cancels the rpc when it is left:
    `async with closing(stub.Call(request)) as answers`."""
    return aclosing(cast("AsyncGenerator[T]", answers))


class Answers(Protocol):
    """The answers of a streaming call."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Itself."""

    def __anext__(self) -> Awaitable[bytes]:
        """The next answer. Raises RunestoneError."""

    def aclose(self) -> Awaitable[None]:
        """Cancels the call when it is not over."""


class Link(Protocol):
    """Carries calls as bytes. Every failure is a `RunestoneError`; cancelling who waits cancels the call at the callee."""

    async def call(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> bytes:
        """A unary call; `timeout` in seconds."""

    def stream(self, method: str, request: bytes, timeout: float, metadata: Metadata) -> Answers:
        """A server-streaming call; closing it early cancels the call."""

    @property
    def is_connected(self) -> bool:
        """Whether a call would go out at once."""

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether a call would go out, waiting up to `timeout` seconds. Costs nothing while connected."""

    async def close(self) -> None:
        """Ends the connection; running calls fail."""


class Channel(grpc.aio.Channel):
    """For generated stubs: `CacheServiceStub(channel)`.

    `timeout` (seconds) bounds every call on it, whatever the call's own deadline; with `carries_version` the callee is told
    which snapshot the call began with. Failed calls raise `RunestoneError`.
    Cancelling the awaiting task, or closing the iterator of a stream, cancels the rpc at the callee. Rpcs whose request is
    a stream are not carried: no service of the mesh has one. `durations`, by `peer`, method and code, is where the time of each call is counted.
    """

    def __init__(
        self,
        address: str,
        *,
        tracing: Tracing,
        timeout: float = 600.0,
        clock: Clock | None = None,
        link: Link | None = None,
        carries_version: bool = False,
        durations: Histogram | None = None,
        peer: str = "",
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._observer = Observer(tracing, self._clock, durations, peer)
        self._link = link or PlainLink(address)
        self._carries_version = carries_version

    async def is_connected_within(self, timeout: float) -> bool:
        """Whether there is a connection, waiting up to `timeout` seconds for one. Costs nothing when there is."""
        return await self._link.is_connected_within(timeout)

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: Any
    ) -> Any:
        """The multicallable of a unary rpc."""
        link, name = self._link, method.strip("/")

        async def call(request: Any, *, timeout: float | None = None, metadata: Metadata = ()) -> Any:
            with Hop(self._observer, name):
                seconds, entries = self._outgoing(timeout, metadata)
                return response_deserializer(await link.call(method, request_serializer(request), seconds, entries))

        return call

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_options: Any
    ) -> Any:
        """The multicallable of a server-streaming rpc. Close its iterator (`closing`) to cancel early."""
        link, name = self._link, method.strip("/")

        async def call(request: Any, *, timeout: float | None = None, metadata: Metadata = ()) -> AsyncIterator[Any]:
            with Hop(self._observer, name):
                seconds, entries = self._outgoing(timeout, metadata)
                answers = link.stream(method, request_serializer(request), seconds, entries)
                try:
                    async for answer in answers:
                        yield response_deserializer(answer)
                finally:
                    await answers.aclose()

        return call

    def stream_unary(self, method: str, *_serializers: Any, **_options: Any) -> Any:
        """Not carried."""
        return _refuser(method)

    def stream_stream(self, method: str, *_serializers: Any, **_options: Any) -> Any:
        """Not carried."""
        return _refuser(method)

    def _outgoing(self, timeout: float | None, metadata: Metadata) -> tuple[float, Metadata]:
        """How long the next hop may take, and all of its metadata."""
        call = current()
        seconds = time_for_hop(call.deadline, self._clock.monotonic(), timeout or self._timeout)
        trace = (TRACEPARENT, call.trace.traceparent)
        if call.trace.state:
            metadata = ((TRACESTATE, call.trace.state), *metadata)
        if self._carries_version and call.version:
            return seconds, (trace, (VERSION, call.version), *metadata)
        return seconds, (trace, *metadata)

    def get_state(self, try_to_connect: bool = False) -> NoReturn:
        """Not known here; ask `is_connected_within`."""
        raise NotImplementedError("ask is_connected_within")

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> NoReturn:
        """Not known here; ask `is_connected_within`."""
        raise NotImplementedError("ask is_connected_within")

    async def channel_ready(self) -> NoReturn:
        """Not known here; ask `is_connected_within`."""
        raise NotImplementedError("ask is_connected_within")

    async def close(self, grace: float | None = None) -> None:  # noqa: ARG002  grpc.aio's signature
        """Closes the connection; running calls fail."""
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Channel({self.address}, {self._link!r})"


def _refuser(method: str) -> Any:
    def refuse(*_arguments: Any, **_options: Any) -> NoReturn:
        raise NotImplementedError(f"{method}: an rpc whose request is a stream is not carried")

    return refuse
