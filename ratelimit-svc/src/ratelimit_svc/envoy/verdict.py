"""How a request stands with what binds it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chassis.gcra import Decision
from ratelimit_svc.envoy.binding import Bond
from ratelimit_svc.envoy.rules import Rule
from ratelimit_svc.limit import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one descriptor stands: `decision` is None where nothing is counted, or a shadow's store did not answer. One that is
    `is_over` had no room, in shadow or not."""

    rule: Rule | None
    decision: Decision | None
    is_over: bool

    @property
    def is_refused(self) -> bool:
        """Whether the request is over the limit because of it."""
        return self.is_over and self.rule is not None and not self.rule.is_shadow


def refuse_empty(limit: Limit, decision: Decision) -> Decision:
    """What a limit that was only asked, and has nothing left, says of one unit more."""
    rate = limit.rate
    wait = max(1, decision.reset_after - rate.period * (rate.burst - 1) // rate.quantity)
    return replace(decision, is_admitted=False, retry_after=wait)


def stand(bonds: Sequence[Bond], decisions: Mapping[bytes, Decision]) -> list[Standing]:
    """How each descriptor stands after `decisions`, which are by the keys of limits."""
    return [_stand(bond, None if bond.limit is None else decisions.get(bond.limit.key)) for bond in bonds]


def _stand(bond: Bond, decision: Decision | None) -> Standing:
    is_over = bond.is_closed or (decision is not None and not decision.is_admitted)
    return Standing(rule=bond.rule, decision=decision, is_over=is_over)


def find_closest(standings: Sequence[Standing]) -> Standing | None:
    """The one that a client should know about: of those that refuse the one that does for longest, else the one with least left;
    None where no limit is enforced."""
    enforced = [
        standing
        for standing in standings
        if standing.rule is not None and standing.rule.requests is not None and not standing.rule.is_shadow
    ]
    return max(enforced, key=_urgency, default=None)


def _urgency(standing: Standing) -> tuple[bool, float]:
    decision = standing.decision
    if standing.is_over:
        wait = decision.retry_after if decision is not None else None
        return True, float("inf") if wait is None else wait
    return False, 0.0 if decision is None else -decision.remaining
