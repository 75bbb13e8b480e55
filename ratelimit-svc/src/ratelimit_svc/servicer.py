"""RateLimitService: protobuf in, a decision of the store, protobuf out."""

from chassis.clock import Clock
from chassis.ids import NewId
from chassis.server import Context
from ratelimit_svc.reading import read_asks, read_calls, read_leftovers, read_limits
from ratelimit_svc.reservation import is_admitted
from ratelimit_svc.store import Store
from ratelimit_svc.writing import write_grant, write_state
from runestone.ratelimit.v1.ratelimit_pb2 import (
    LeaseRequest,
    LeaseResponse,
    ReserveRequest,
    ReserveResponse,
    ReturnRequest,
    ReturnResponse,
)
from runestone.ratelimit.v1.ratelimit_pb2_grpc import RateLimitServiceServicer


class RateLimitServicer(RateLimitServiceServicer):
    """Answers out of one store."""

    def __init__(self, store: Store, clock: Clock, new_lease_id: NewId) -> None:
        self._store = store
        self._clock = clock
        self._new_lease_id = new_lease_id

    async def Reserve(self, request: ReserveRequest, context: Context) -> ReserveResponse:  # noqa: N802, ARG002
        """Reserves under every given limit, or under none of them."""
        limits = read_limits(request.limits)
        if not limits:
            return ReserveResponse(admitted=True)
        decisions = await self._store.reserve(limits, self._now())
        return ReserveResponse(admitted=is_admitted(decisions), states=map(write_state, decisions))

    async def Lease(self, request: LeaseRequest, context: Context) -> LeaseResponse:  # noqa: N802, ARG002
        """Admits the calls that wait, as far as there is room, and takes units ahead for later ones."""
        calls = read_calls(request.calls)
        asks = read_asks(request.limits, self._new_lease_id)
        if not asks:
            return LeaseResponse(admitted=calls)
        return write_grant(asks, await self._store.lease(asks, calls, self._now()))

    async def Return(self, request: ReturnRequest, context: Context) -> ReturnResponse:  # noqa: N802, ARG002
        """Gives back what is left of leases."""
        leftovers = read_leftovers(request.leftovers)
        return ReturnResponse(refunded=await self._store.give_back(leftovers, self._now()) if leftovers else [])

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1_000_000)
