"""What the edge counts. Labels are bounded: paths are routes, models are configured route names, and so many tenants have a name."""

from chassis.metric_families import Distribution
from chassis.metrics import Metrics
from gateway_edge.call import Call, Question
from gateway_edge.callers.tenant_labels import TenantLabels
from gateway_edge.door.genai_metrics import GenAiServerMetrics
from gateway_edge.door.tenant_metrics import TenantMetrics
from gateway_edge.repeats.recipes import Counts

CHUNK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


FEW_TENANTS = 100  # that have a name where nobody says how many


class EdgeMetrics:
    """The edge's metrics, bound once."""

    def __init__(self, metrics: Metrics, tenants: TenantLabels | None = None) -> None:
        tenants = tenants or TenantLabels(lambda: FEW_TENANTS)
        self.tenants = TenantMetrics(metrics, tenants)
        self._gen_ai = GenAiServerMetrics(metrics)
        self._calls = metrics.counter(
            "calls", "Calls by route, status and cache outcome", ("endpoint", "status", "cache")
        )
        self._seconds = metrics.histogram("call_seconds", "From arrival to the last byte", ("endpoint",))
        self._first_byte = metrics.histogram("call_first_byte_seconds", "From arrival to the first byte", ("endpoint",))
        self._chunks = metrics.histogram(
            "stream_chunk_seconds",
            "Time for each chunk behind the first of a stream, the mean of each stream",
            ("endpoint",),
            CHUNK_BUCKETS,
        )
        self._stages = metrics.histogram("middleware_seconds", "Exclusive time of each middleware", ("middleware",))
        self._experiments = metrics.counter("experiment_calls", "Calls by experiment and arm", ("experiment", "arm"))
        self._models = metrics.counter("model_calls", "Calls by configured model name", ("model", "status"))

    def counts_of(self, call: Call, question: Question, path: str, stage: str) -> Counts:
        """What counts hits on `path` that ask as `question` does, of the same caller, and go through one stage only."""
        experiment, arm = call.outcome.experiment, call.outcome.arm
        of_tenant = self.tenants.counts_of(call.caller.tenant, 200, "HIT")
        model = question.public.name
        durations = [
            self._seconds.labels(path),
            self._first_byte.labels(path),
            self._stages.labels(stage),
            of_tenant.seconds,
            self._gen_ai.duration_of(question, ""),
        ]
        if question.is_stream:
            durations.append(self._gen_ai.first_token_of(question))
        calls = [self._calls.labels(path, 200, "HIT"), self._models.labels(model, 200), of_tenant.calls]
        if experiment:
            calls.append(self._experiments.labels(experiment, arm))
        return Counts(tuple(calls), tuple(durations))

    def note_call(self, call: Call, path: str, status: int, seconds: float) -> None:
        """Counts a call that has ended."""
        cache = call.outcome.cache or "none"
        self._calls.labels(path, status, cache).inc()
        _observe(self._seconds.labels(path), seconds, call)
        if call.reply.first_byte_at is not None:
            first = call.reply.first_byte_at - call.arrival.received_at
            _observe(self._first_byte.labels(path), first, call)
            if call.outcome.chunks > 1:
                self._chunks.labels(path).observe((seconds - first) / (call.outcome.chunks - 1))
        for name, spent in call.stopwatch.read().items():
            self._stages.labels(name).observe(spent)
        if call.question is not None:
            self._models.labels(call.question.public.name, status).inc()
            self._gen_ai.note_call(call, call.question, seconds)
        if call.principal is not None:
            of_tenant = self.tenants.counts_of(call.principal.tenant, status, cache)
            of_tenant.calls.inc()
            _observe(of_tenant.seconds, seconds, call)
        if call.outcome.experiment:
            self._experiments.labels(call.outcome.experiment, call.outcome.arm).inc()


def _observe(distribution: Distribution, seconds: float, call: Call) -> None:
    distribution.observe(seconds)
    if call.trace.sampled:
        distribution.exemplify(seconds, call.trace)
