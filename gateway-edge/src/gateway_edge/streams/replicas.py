"""Which provider-svc has a stream: the one that its key leads to, else each is asked."""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from typing import Protocol

from chassis.client import Channel, closing
from chassis.errors import Reason, RunestoneError
from chassis.members import Members
from chassis.metadata import ROUTE_KEY, Metadata
from runestone.provider.v1.provider_pb2 import AttachRequest, AttachResponse, ControlRequest, ControlResponse
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceStub

# What says that it is not here: it may be at another, or nowhere.
ELSEWHERE = frozenset({Reason.NOT_FOUND, Reason.UNAVAILABLE})
CONTROL_TIMEOUT = 2.0  # seconds


class Flights(Protocol):
    """What is asked of provider-svc about calls that run: `ProviderServiceStub`. `timeout` is in seconds."""

    def Attach(self, request: AttachRequest, /, *, metadata: Metadata = ()) -> AsyncIterable[AttachResponse]:  # noqa: N802  the rpc's name
        """Follows a call."""

    def Control(  # noqa: N802  the rpc's name
        self, request: ControlRequest, /, *, timeout: float, metadata: Metadata = ()
    ) -> Awaitable[ControlResponse]:
        """Steers a call."""


class FlightReplicas:
    """All replicas of provider-svc: `balanced` leads a key to one, `each` lists them all."""

    def __init__(self, balanced: Flights, each: Callable[[], Iterable[Flights]]) -> None:
        self._balanced = balanced
        self._each = each

    async def attach(self, request: AttachRequest, routed_by: bytes) -> AsyncGenerator[AttachResponse]:
        """Follows a call where it is. Raises NOT_FOUND when no replica knows it, UNAVAILABLE when one that may cannot be reached, and what
        `Attach` raises."""
        metadata = _route(routed_by or request.call_id.encode())
        failure = None
        for flights in self._candidates():
            has_begun = False
            try:
                async with closing(flights.Attach(request, metadata=metadata)) as responses:
                    async for response in responses:
                        has_begun = True
                        yield response
            except RunestoneError as error:
                if has_begun or error.reason not in ELSEWHERE:
                    raise
                failure = _worse(failure, error)
            else:
                return
        raise failure or RunestoneError(Reason.UNAVAILABLE, "no provider service can be reached", retry_after=1.0)

    async def control(self, request: ControlRequest, routed_by: bytes) -> ControlResponse:
        """Steers a call where it is; raises as `attach` does."""
        metadata = _route(routed_by or request.call_id.encode())
        failure = None
        for flights in self._candidates():
            try:
                return await flights.Control(request, timeout=CONTROL_TIMEOUT, metadata=metadata)
            except RunestoneError as error:
                if error.reason not in ELSEWHERE:
                    raise
                failure = _worse(failure, error)
        raise failure or RunestoneError(Reason.UNAVAILABLE, "no provider service can be reached", retry_after=1.0)

    def _candidates(self) -> Iterable[Flights]:
        """The one that the key leads to, then all: after a change of replicas it is another than the one that has the call."""
        yield self._balanced
        others = tuple(self._each())
        if len(others) > 1:
            yield from others


def each_of(members: Members) -> Callable[[], Iterable[Flights]]:
    """Stubs on the members of provider-svc; one that stays keeps its stub."""
    stubs: dict[Channel, ProviderServiceStub] = {}

    def list_stubs() -> Iterable[Flights]:
        channels = members.current.values()
        for gone in stubs.keys() - set(channels):
            del stubs[gone]
        return [stubs.setdefault(channel, ProviderServiceStub(channel)) for channel in channels]

    return list_stubs


def _route(key: bytes) -> Metadata:
    return ((ROUTE_KEY, key),)


def _worse(before: RunestoneError | None, error: RunestoneError) -> RunestoneError:
    """Who cannot be asked may know it."""
    return before if before is not None and before.reason is Reason.UNAVAILABLE else error
