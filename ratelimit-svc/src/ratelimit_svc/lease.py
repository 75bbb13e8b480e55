"""Admitting several calls at once and taking units ahead for later ones. Pure: states and time in, grants and new states out."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.gcra import Decision, decide
from ratelimit_svc.limit import Limit

SHARE = 8  # a lease is at most this part of what remains, so that several holders leave each other room

# reserve.lua multiplies calls + SHARE * units by quantities of up to 10^11: 81,000 times that is below 2^53.
MAX_CALLS = 1_000
MAX_UNITS = 10_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a limit: a unit for each call, `ahead` more at most, and the name that they get as a lease."""

    limit: Limit
    ahead: int
    lease_id: str


@dataclass(frozen=True, slots=True)
class Grant:
    """`admitted` calls may go on; `units` were taken ahead of each limit. All of it is charged in `decisions`, which say
    of limits that refused a call how long to wait for one more."""

    admitted: int
    units: list[int]
    decisions: list[Decision]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What is left of a lease: `units` of `limit`."""

    lease_id: str
    limit: Limit
    units: int


def grant(asks: Sequence[Ask], calls: int, arrivals: Sequence[int | None], now: int) -> Grant:
    """Admits calls as long as all limits have room, and, if that is for all `calls`, takes ahead what the limits can spare;
    `now` in microseconds."""
    states = [decide(ask.limit.rate, held, now, 0) for ask, held in zip(asks, arrivals, strict=True)]
    admitted = min(calls, *(state.remaining for state in states))
    if admitted < calls:
        units, decisions = [0] * len(asks), [_refuse(ask, state, admitted, now) for ask, state in _pairs(asks, states)]
    else:
        units = [min(ask.ahead, (state.remaining - admitted) // SHARE) for ask, state in _pairs(asks, states)]
        decisions = [
            decide(ask.limit.rate, state.arrival, now, admitted + ahead)
            for ask, state, ahead in zip(asks, states, units, strict=True)
        ]
    return Grant(admitted, units, decisions)


def _pairs(asks: Sequence[Ask], states: Sequence[Decision]) -> "zip[tuple[Ask, Decision]]":
    return zip(asks, states, strict=True)


def _refuse(ask: Ask, state: Decision, admitted: int, now: int) -> Decision:
    """Charges the calls that were admitted; then how it stands for one more, which the limit may have room for."""
    rate = ask.limit.rate
    charged = decide(rate, state.arrival, now, admitted)
    one_more = decide(rate, charged.arrival, now, 1)
    return charged if one_more.is_admitted else one_more
