"""What became of Envoy's requests, in numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from chassis.errors import RunestoneError
from chassis.metrics import Metrics
from ratelimit_svc.envoy.rules import Domain
from ratelimit_svc.envoy.verdict import Standing

OTHER = "other"  # the label of domains that are not configured, whatever they are called


@dataclass(slots=True)
class Verdict:
    """How a request's descriptors stand, once they do."""

    standings: Sequence[Standing] = ()


class Verdicts:
    """Counts requests by domain and outcome: `admitted`, `refused`, `unmatched` (no limit binds it), `unavailable`; and limits in
    shadow that would have refused."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.counter(
            "ratelimit_domain_requests", "Envoy's requests decided, by domain and outcome", ("domain", "outcome")
        )
        self._shadowed = metrics.counter(
            "ratelimit_domain_shadowed", "Limits in shadow that would have refused", ("domain",)
        )

    @contextmanager
    def of(self, domain: Domain | None) -> Iterator[Verdict]:
        """Around the decision on one request."""
        label, verdict = OTHER if domain is None else domain.name, Verdict()
        try:
            yield verdict
        except RunestoneError:
            self._requests.labels(label, "unavailable").inc()
            raise
        self._requests.labels(label, _name(verdict.standings)).inc()
        self._shadowed.labels(label).inc(sum(one.is_over and not one.is_refused for one in verdict.standings))


def _name(standings: Sequence[Standing]) -> str:
    if any(standing.is_refused for standing in standings):
        return "refused"
    return "admitted" if any(standing.rule for standing in standings) else "unmatched"
