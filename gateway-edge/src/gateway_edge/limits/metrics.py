"""What the edge counts of its leases."""

from collections.abc import Callable

from chassis.metrics import Metrics


class LeaseMetrics:
    """Calls by who decided on them: a lease here, ratelimit-svc, or, while it does not answer, nobody."""

    def __init__(self, metrics: Metrics) -> None:
        decisions = metrics.counter("limit_decisions", "Calls under limits, by who decided on them", ("by",))
        self.by_lease = decisions.labels("lease")
        self.by_service = decisions.labels("ratelimit")
        self.by_nobody = decisions.labels("nobody")
        self._leases = metrics.gauge("limit_leases", "Leases that this edge holds")
        self._units = metrics.gauge("limit_leased_units", "Units of leases that this edge may still spend")

    def watch(self, count_leases: Callable[[], int], count_units: Callable[[], int]) -> None:
        """Where to look when somebody asks."""
        self._leases.set_function(count_leases)
        self._units.set_function(count_units)
