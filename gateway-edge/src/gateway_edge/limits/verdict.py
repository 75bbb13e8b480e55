"""How one limit stands for a call, whoever decided: ratelimit-svc, a lease, or this process alone."""

from msgspec import Struct

from chassis.gcra import Decision
from runestone.ratelimit.v1.ratelimit_pb2 import LimitState


class Verdict(Struct, frozen=True, gc=False):
    """`remaining` could still be used at once; `reset_after` and `retry_after` are in microseconds. `retry_after` is None
    when admitted, or when it never will be."""

    is_admitted: bool
    remaining: int
    reset_after: int
    retry_after: int | None = None

    @classmethod
    def of_state(cls, state: LimitState) -> "Verdict":
        """What ratelimit-svc said."""
        retry_after = state.retry_after.ToMicroseconds() if state.HasField("retry_after") else None
        return cls(state.admitted, state.remaining, state.reset_after.ToMicroseconds(), retry_after)

    @classmethod
    def of_decision(cls, decision: Decision) -> "Verdict":
        """What the algorithm decided here."""
        return cls(decision.is_admitted, decision.remaining, decision.reset_after, decision.retry_after)
