"""All or nothing over several limits. Pure: states and time in, decisions and new states out."""

from collections.abc import Sequence

from chassis.gcra import Decision, decide
from ratelimit_svc.limit import Limit


def settle(limits: Sequence[Limit], arrivals: Sequence[int | None], now: int) -> list[Decision]:
    """Charges every limit when all have room, otherwise none; `now` in microseconds.

    In a refusal, a limit that had room is still marked as admitting, and says how it stands without the charge.
    """
    decisions = [decide(limit.rate, held, now, limit.amount) for limit, held in zip(limits, arrivals, strict=True)]
    if is_admitted(decisions):
        return decisions
    return [
        decide(limit.rate, held, now, 0) if decision.is_admitted else decision
        for limit, held, decision in zip(limits, arrivals, decisions, strict=True)
    ]


def is_admitted(decisions: Sequence[Decision]) -> bool:
    """Whether all limits had room, so that all were charged."""
    return all(decision.is_admitted for decision in decisions)
