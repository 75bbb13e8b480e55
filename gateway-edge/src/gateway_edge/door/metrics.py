"""What the edge counts. Labels are bounded: paths are routes, models are configured route names."""

from chassis.metrics import Metrics
from gateway_edge.call import Call
from gateway_edge.repeats.recipes import Counts


class EdgeMetrics:
    """The edge's metrics, bound once."""

    def __init__(self, metrics: Metrics) -> None:
        self._calls = metrics.counter(
            "calls", "Calls by route, status and cache outcome", ("endpoint", "status", "cache")
        )
        self._seconds = metrics.histogram("call_seconds", "From arrival to the last byte", ("endpoint",))
        self._first_byte = metrics.histogram("call_first_byte_seconds", "From arrival to the first byte", ("endpoint",))
        self._stages = metrics.histogram("middleware_seconds", "Exclusive time of each middleware", ("middleware",))
        self._experiments = metrics.counter("experiment_calls", "Calls by experiment and arm", ("experiment", "arm"))
        self._models = metrics.counter("model_calls", "Calls by configured model name", ("model", "status"))

    def counts_of(self, path: str, model: str, stage: str, experiment: str, arm: str) -> Counts:
        """What counts hits on `path` of a configured model name that go through one stage only, and are in an arm, if any."""
        return Counts(
            self._calls.labels(path, 200, "HIT"),
            self._models.labels(model, 200),
            self._seconds.labels(path),
            self._first_byte.labels(path),
            self._stages.labels(stage),
            self._experiments.labels(experiment, arm) if experiment else None,
        )

    def note_call(self, call: Call, path: str, status: int, seconds: float) -> None:
        """Counts a call that has ended."""
        self._calls.labels(path, status, call.outcome.cache or "none").inc()
        self._seconds.labels(path).observe(seconds)
        if call.reply.first_byte_at is not None:
            self._first_byte.labels(path).observe(call.reply.first_byte_at - call.arrival.received_at)
        for name, spent in call.stopwatch.read().items():
            self._stages.labels(name).observe(spent)
        if call.question is not None:
            self._models.labels(call.question.public.name, status).inc()
        if call.outcome.experiment:
            self._experiments.labels(call.outcome.experiment, call.outcome.arm).inc()
