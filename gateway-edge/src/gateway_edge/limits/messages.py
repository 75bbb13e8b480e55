"""What the edge says to ratelimit-svc and what it hears: limits and leases to and from protobuf."""

from collections.abc import Awaitable, Sequence
from typing import Protocol

from gateway_edge.limits.book import Leftover, Reply
from gateway_edge.limits.limit import RequestLimit
from gateway_edge.limits.verdict import Verdict
from runestone.ratelimit.v1 import ratelimit_pb2
from runestone.ratelimit.v1.ratelimit_pb2 import (
    AskedLimit,
    LeaseRequest,
    LeaseResponse,
    Limit,
    ReserveRequest,
    ReserveResponse,
    ReturnRequest,
    ReturnResponse,
)


class Limiter(Protocol):
    """What the edge needs of ratelimit-svc: `RateLimitServiceStub`."""

    def Reserve(self, request: ReserveRequest, /) -> Awaitable[ReserveResponse]:  # noqa: N802  the rpc's name
        """Reserves under all limits or none."""

    def Lease(self, request: LeaseRequest, /) -> Awaitable[LeaseResponse]:  # noqa: N802  the rpc's name
        """Admits several calls, and takes units ahead."""

    def Return(self, request: ReturnRequest, /) -> Awaitable[ReturnResponse]:  # noqa: N802  the rpc's name
        """Gives back what is left of leases."""


async def reserve(limiter: Limiter, limits: Sequence[RequestLimit]) -> Reply:
    """Asks for one call. Raises RunestoneError when nobody answers."""
    response = await limiter.Reserve(ReserveRequest(limits=map(_limit, limits)))
    verdicts = [Verdict.of_state(state) for state in response.states]
    return Reply(int(response.admitted), verdicts, [("", 0)] * len(verdicts))


async def lease(limiter: Limiter, limits: Sequence[RequestLimit], calls: int, aheads: Sequence[int]) -> Reply:
    """Asks for several calls and for units ahead. Raises RunestoneError when nobody answers."""
    asked = [AskedLimit(limit=_limit(limit), ahead=ahead) for limit, ahead in zip(limits, aheads, strict=True)]
    response = await limiter.Lease(LeaseRequest(limits=asked, calls=calls))
    verdicts = [Verdict.of_state(leased.state) for leased in response.limits]
    return Reply(response.admitted, verdicts, [(leased.lease_id, leased.units) for leased in response.limits])


async def give_back(limiter: Limiter, leftovers: Sequence[Leftover]) -> None:
    """Returns what is left of leases. Raises RunestoneError when nobody answers; to repeat it is harmless."""
    await limiter.Return(ReturnRequest(leftovers=map(_leftover, leftovers)))


def _limit(limit: RequestLimit) -> Limit:
    message = Limit(subject=limit.subject, name=limit.name, quantity=limit.rate.quantity, burst=limit.rate.burst)
    message.period.FromMicroseconds(limit.rate.period)
    return message


def _leftover(leftover: Leftover) -> ratelimit_pb2.Leftover:
    return ratelimit_pb2.Leftover(lease_id=leftover.lease_id, limit=_limit(leftover.limit), units=leftover.units)
