"""What the metrics show of connections to providers. Labels: a provider's configured name, a state, an outcome, a reason to close."""

from collections import Counter
from collections.abc import Callable, Sequence
from weakref import WeakSet

from chassis.metrics import Metrics
from provider_svc.http1.counts import Counts
from provider_svc.upstream import Upstream

Measure = Callable[[dict[str, int]], int]

# The states of a connection, and how many are in each by what an upstream counts.
STATES: dict[str, Measure] = {
    "idle": lambda now: now["idle"],
    "busy": lambda now: now["open"] - now["idle"],
    "dialing": lambda now: now["dialing"],
}


class ConnectionMetrics:
    """Gauges over the upstreams that live, and counters that go on over all that ever had a provider's name."""

    def __init__(self, metrics: Metrics) -> None:
        self.upstreams: WeakSet[Upstream] = WeakSet()
        self._pool = metrics.gauge("upstream_pool_connections", "Connections to providers", ("provider", "state"))
        everything = metrics.gauge("upstream_connections", "Open connections to providers, idle ones included")
        everything.set_function(lambda: sum(upstream.count_now()["open"] for upstream in self.upstreams))
        self._waiting = metrics.gauge("upstream_pool_waiting", "Calls that wait for a connection", ("provider",))
        self._dials = metrics.counter("upstream_dials", "Connections that were opened", ("provider", "outcome"))
        self._warm = metrics.counter(
            "upstream_warm_failures", "Connections that could not be opened ahead", ("provider",)
        )
        self._reused = metrics.counter("upstream_reused", "Uses of a connection that had one before", ("provider",))
        self._repeated = metrics.counter("upstream_repeated", "Requests sent again on a new connection", ("provider",))
        self._closed = metrics.counter("upstream_closed", "Clean connections that were closed", ("provider", "why"))
        self._look_ups = metrics.counter("upstream_look_ups", "Look-ups of a provider's name", ("provider", "outcome"))

    def counts(self, provider: str) -> Counts:
        """What is counted of the provider's connections; the same numbers each time."""
        return Counts(
            dialed=self._dials.labels(provider, "connected"),
            dial_failures=self._dials.labels(provider, "failed"),
            warm_failures=self._warm.labels(provider),
            reused=self._reused.labels(provider),
            repeated=self._repeated.labels(provider),
            aged_out=self._closed.labels(provider, "age"),
            idled_out=self._closed.labels(provider, "idle"),
            moved_away=self._closed.labels(provider, "address"),
            look_ups=self._look_ups.labels(provider, "found"),
            look_up_failures=self._look_ups.labels(provider, "failed"),
        )

    def watch(self, upstream: Upstream) -> None:
        """Shows the upstream's connections from now on, for as long as it lives."""
        self.upstreams.add(upstream)
        for state, measure in STATES.items():
            self._pool.labels(upstream.name, state).set_function(self._sum(upstream.name, measure))
        self._waiting.labels(upstream.name).set_function(self._sum(upstream.name, lambda now: now["waiting"]))

    def statistics(self, provider: str) -> dict[str, int]:
        """What the provider's connections do now, and what was counted of them since the process began; nothing of one that is reached
        without."""
        now = Counter[str]()
        upstreams = self._of(provider)
        if not upstreams:
            return {}
        for upstream in upstreams:
            now.update(upstream.count_now())
        return {**now, **self.counts(provider).statistics()}

    def _sum(self, provider: str, measure: Measure) -> Callable[[], float]:
        return lambda: sum(measure(upstream.count_now()) for upstream in self._of(provider))

    def _of(self, provider: str) -> Sequence[Upstream]:
        return [upstream for upstream in self.upstreams if upstream.name == provider]
