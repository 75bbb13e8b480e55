"""What callers are told: decisions and grants to protobuf."""

from collections.abc import Sequence

from chassis.gcra import Decision, Rate
from ratelimit_svc.lease import Ask, Grant
from runestone.ratelimit.v1.ratelimit_pb2 import LeasedLimit, LeaseResponse, LimitState


def write_state(decision: Decision) -> LimitState:
    """How a limit stands."""
    state = LimitState(admitted=decision.is_admitted, remaining=decision.remaining)
    state.reset_after.FromMicroseconds(decision.reset_after)
    if decision.retry_after is not None:
        state.retry_after.FromMicroseconds(decision.retry_after)
    return state


def write_grant(asks: Sequence[Ask], granted: Grant) -> LeaseResponse:
    """How many calls were admitted, and each limit's state and lease."""
    limits = map(_write_lease, asks, granted.units, granted.decisions)
    return LeaseResponse(admitted=granted.admitted, limits=limits)


def _write_lease(ask: Ask, units: int, decision: Decision) -> LeasedLimit:
    leased = LeasedLimit(state=write_state(decision))
    if units:
        leased.lease_id, leased.units = ask.lease_id, units
        leased.expires_after.FromMicroseconds(_time_to_lapse(ask.limit.rate, units))
    return leased


def _time_to_lapse(rate: Rate, units: int) -> int:
    return rate.period * units // rate.quantity
