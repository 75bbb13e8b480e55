"""What is counted of tenants: all that a bill or a complaint asks for, and no more, as every tenant has a set of its own."""

from typing import NamedTuple

from chassis.metric_families import Count, Distribution
from chassis.metrics import Metrics
from gateway_edge.call import Call
from gateway_edge.callers.tenant_labels import TenantLabels

BUCKETS = (0.05, 0.25, 1, 2.5, 5, 10, 30, 60)  # seconds; few, as there are many tenants


class TenantCounts(NamedTuple):
    """What a tenant's calls of one end are counted in."""

    calls: Count
    seconds: Distribution


class TenantMetrics:
    """Calls by how they ended, tokens and dollars."""

    def __init__(self, metrics: Metrics, labels: TenantLabels) -> None:
        self._labels = labels
        self._calls = metrics.counter(
            "tenant_calls", "A tenant's calls, by status and cache outcome", ("tenant", "status", "cache")
        )
        self._seconds = metrics.histogram(
            "tenant_call_seconds", "From arrival to the last byte, of a tenant's calls", ("tenant",), BUCKETS
        )
        self._tokens = metrics.counter("tenant_tokens", "Tokens that a tenant is billed for", ("tenant", "direction"))
        self._dollars = metrics.counter("tenant_cost_dollars", "What a tenant's calls cost", ("tenant",))

    def counts_of(self, tenant: str, status: int, cache: str) -> TenantCounts:
        """Where calls of `tenant` that ended so are counted."""
        label = self._labels.of(tenant)
        return TenantCounts(self._calls.labels(label, status, cache or "none"), self._seconds.labels(label))

    def note_usage(self, call: Call) -> None:
        """Counts what a call used, of one that its tenant is billed for."""
        outcome = call.outcome
        if call.principal is None or not outcome.is_billed:
            return
        label = self._labels.of(call.principal.tenant)
        if outcome.usage is not None:
            self._tokens.labels(label, "input").inc(outcome.usage.input_tokens)
            self._tokens.labels(label, "output").inc(outcome.usage.output_tokens)
        if outcome.cost is not None:
            self._dollars.labels(label).inc(outcome.cost.nano_usd / 1e9)
