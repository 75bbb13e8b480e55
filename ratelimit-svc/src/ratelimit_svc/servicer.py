"""RateLimitService: protobuf in, a decision of the store, protobuf out."""

from collections.abc import Sequence

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.gcra import Decision
from chassis.server import Context
from ratelimit_svc.limit import Limit, make_limit
from ratelimit_svc.reservation import is_admitted
from ratelimit_svc.store import Store
from runestone.ratelimit.v1 import ratelimit_pb2
from runestone.ratelimit.v1.ratelimit_pb2 import LimitState, ReserveRequest, ReserveResponse
from runestone.ratelimit.v1.ratelimit_pb2_grpc import RateLimitServiceServicer

MAX_LIMITS = 32


class RateLimitServicer(RateLimitServiceServicer):
    """Answers out of one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def Reserve(self, request: ReserveRequest, context: Context) -> ReserveResponse:  # noqa: N802, ARG002
        """Reserves under every given limit, or under none of them."""
        limits = _read_limits(request.limits)
        if not limits:
            return ReserveResponse(admitted=True)
        decisions = await self._store.reserve(limits, int(self._clock.monotonic() * 1_000_000))
        return ReserveResponse(admitted=is_admitted(decisions), states=map(_state, decisions))


def _read_limits(messages: Sequence[ratelimit_pb2.Limit]) -> list[Limit]:
    """Raises INVALID_REQUEST for a limit that makes no sense, for one that stands twice, and for too many."""
    if len(messages) > MAX_LIMITS:
        many = f"{len(messages)} limits are more than the {MAX_LIMITS} that one call may ask under"
        raise RunestoneError(Reason.INVALID_REQUEST, many, param="limits")
    limits: dict[bytes, Limit] = {}
    for index, message in enumerate(messages):
        limit = _read_limit(message, f"limits[{index}]")
        if limit.key in limits:
            twice = "the limit has the subject and name of one before it"
            raise RunestoneError(Reason.INVALID_REQUEST, twice, param=f"limits[{index}]")
        limits[limit.key] = limit
    return list(limits.values())


def _read_limit(message: ratelimit_pb2.Limit, path: str) -> Limit:
    try:
        return make_limit(
            message.subject,
            message.name,
            quantity=message.quantity,
            period=message.period.ToMicroseconds(),
            burst=message.burst,
            amount=message.amount,
        )
    except RunestoneError as error:
        error.param = f"{path}.{error.param}"
        raise


def _state(decision: Decision) -> LimitState:
    state = LimitState(admitted=decision.is_admitted, remaining=decision.remaining)
    state.reset_after.FromMicroseconds(decision.reset_after)
    if decision.retry_after is not None:
        state.retry_after.FromMicroseconds(decision.retry_after)
    return state
