"""Limits kept by this process alone, while ratelimit-svc cannot be asked: its share of each rate, never unlimited."""

from collections import OrderedDict
from collections.abc import Sequence

from chassis.clock import Clock
from chassis.gcra import Rate, decide
from gateway_edge.limits.limit import RequestLimit
from gateway_edge.limits.verdict import Verdict

MAX_SUBJECTS = 10_000


class LocalLimits:
    """GCRA over `1/share` of each limit, at least one request; the subjects used longest ago are forgotten first."""

    def __init__(self, clock: Clock, *, share: int = 1) -> None:
        self._clock = clock
        self._share = share
        self._arrivals: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def reserve(self, limits: Sequence[RequestLimit]) -> list[Verdict]:
        """Reserves one request under all limits or none."""
        now = int(self._clock.monotonic() * 1e6)
        decisions = [decide(self._part(limit.rate), self._arrivals.get(limit.subject), now, 1) for limit in limits]
        if all(decision.is_admitted for decision in decisions):
            for limit, decision in zip(limits, decisions, strict=True):
                self._remember(limit.subject, decision.arrival)
        return [Verdict.of_decision(decision) for decision in decisions]

    def _part(self, rate: Rate) -> Rate:
        return Rate(max(1, rate.quantity // self._share), rate.period, max(1, rate.burst // self._share))

    def _remember(self, subject: tuple[str, ...], arrival: int) -> None:
        self._arrivals[subject] = arrival
        self._arrivals.move_to_end(subject)
        if len(self._arrivals) > MAX_SUBJECTS:
            self._arrivals.popitem(last=False)
