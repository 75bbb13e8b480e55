"""What provider-svc tells of upstream calls: one client span each, and metrics with bounded labels."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from chassis.context import TraceContext
from chassis.metric_families import Count, Distribution
from chassis.metrics import Metrics
from chassis.operations import name_operation
from chassis.tracing import NO_SPAN, Tracing, span_context
from provider_svc.attempts.attempt import Attempt
from provider_svc.genai_metrics import GenAiMetrics
from provider_svc.span_attributes import describe_answer, describe_attempt

if TYPE_CHECKING:
    from opentelemetry.trace import Span

COMPLETED = "completed"


class Telemetry:
    """The metrics and spans of upstream calls. Labels: a provider's configured name, a model as the configuration has it (`*` for names
    that clients choose), an outcome (`completed` or an error reason), a direction, a route, why there was one call more."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._tracing = tracing
        self._gen_ai = GenAiMetrics(metrics)
        self._tallies: dict[tuple[str, str, str, str, int], Tally] = {}  # by all of their labels
        self._coalesced = metrics.counter("upstream_coalesced", "Calls that shared an upstream call begun by another")
        self._calls = metrics.counter("upstream_calls", "Upstream calls that are over", ("provider", "outcome"))
        self._targets = metrics.counter(
            "target_calls", "Upstream calls that are over, by target", ("provider", "model", "why", "outcome")
        )
        extra = "Upstream calls that were made beside the first of a call, and what failed before"
        self._extra = metrics.counter("upstream_extra_calls", extra, ("route", "why", "reason"))
        self._first_bytes = metrics.histogram("upstream_first_byte_seconds", "Time to the first byte", ("provider",))
        self._durations = metrics.histogram("upstream_call_seconds", "Time to the last byte", ("provider",))
        tokens = "Tokens as providers count, or as estimated where a stream ended early"
        self._tokens = metrics.counter("upstream_tokens", tokens, ("provider", "direction"))
        self._dollars = metrics.counter("upstream_cost_dollars", "What upstream calls cost", ("provider",))
        self._unpriced = metrics.counter("upstream_unpriced", "Upstream calls without a known price", ("provider",))
        self._resumed = metrics.counter("resumed_streams", "Resumable calls that were attached to")
        self._windows = metrics.counter(
            "stream_windows_passed", "Calls that ended because nobody came back, or for being paused", ("window",)
        )
        self._batches = metrics.counter("upstream_batches", "Upstream calls that answered several calls", ("provider",))
        self._batched = metrics.counter("upstream_batched_calls", "Calls that were answered together", ("provider",))

    def _open_tally(
        self, attempt: Attempt, provider: str, model: str, why: str, outcome: str, _dialect: int
    ) -> "Tally":
        error_type = "" if outcome == COMPLETED else outcome
        return Tally(
            self._calls.labels(provider, outcome),
            self._targets.labels(provider, model, why, outcome),
            self._durations.labels(provider),
            self._gen_ai.duration(attempt, error_type),
        )

    def span(self, attempt: Attempt) -> "AbstractContextManager[Span | None]":
        """The span of one upstream call; None where the call is not sampled."""
        if not self._tracing.is_sampling():
            return NO_SPAN
        name = f"{name_operation(attempt.call.dialect)} {attempt.call.model}"
        return self._tracing.span(name, kind="client", attributes=describe_attempt(attempt))

    def describe(self, span: "Span | None", attempt: Attempt) -> None:
        """Writes on the span of a call what is known at its end."""
        if span is not None:
            self._tracing.describe(span, describe_answer(attempt))

    def note_join(self, leader: TraceContext | None) -> None:
        """A call shares another's upstream call: a span of no duration in its own trace links to that call's span."""
        self._coalesced.inc()
        with self._tracing.span("follow") as span:
            if span is not None and leader is not None:
                span.add_link(span_context(leader, is_remote=False))

    def note_first_byte(self, attempt: Attempt) -> None:
        """An answer has begun."""
        first_bytes = self._first_bytes.labels(attempt.provider)
        first_bytes.observe(attempt.first_byte)
        if attempt.trace is not None:
            first_bytes.exemplify(attempt.first_byte, attempt.trace)

    def note_extra(self, route: str, why: str, reason: str) -> None:
        """One upstream call more than the first is made for a call, because of `reason` ("" for none)."""
        self._extra.labels(route, why, reason).inc()

    def note_batch(self, provider: str, calls: int) -> None:
        """One upstream call has answered so many."""
        self._batches.labels(provider).inc()
        self._batched.labels(provider).inc(calls)

    def note_resumed(self) -> None:
        """Somebody follows a resumable call who did not begin it."""
        self._resumed.inc()

    def note_window(self, window: str) -> None:
        """A call has ended with its window: `resume` or `pause`."""
        self._windows.labels(window).inc()

    def note_end(self, attempt: Attempt, outcome: str) -> None:
        """An upstream call is over."""
        provider, owed = attempt.provider, attempt.owed
        name = (provider, attempt.stop.label, attempt.why, outcome, attempt.call.dialect)
        tally = self._tallies.get(name)
        if tally is None:
            tally = self._tallies[name] = self._open_tally(attempt, *name)
        tally.calls.value += attempt.is_sent
        tally.target.value += 1
        seconds = attempt.ended - attempt.started
        tally.seconds.observe(seconds)
        tally.duration.observe(seconds)
        if attempt.trace is not None:
            tally.seconds.exemplify(seconds, attempt.trace)
            tally.duration.exemplify(seconds, attempt.trace)
        self._gen_ai.note_usage(attempt)
        if owed.usage is None:
            return
        self._tokens.labels(provider, "input").inc(owed.usage.input_tokens)
        self._tokens.labels(provider, "output").inc(owed.usage.output_tokens)
        if owed.cost is not None:
            self._dollars.labels(provider).inc(owed.cost.nano_usd / 1e9)
        else:
            self._unpriced.labels(provider).inc()


class Tally(NamedTuple):
    """What an end is counted in."""

    calls: Count
    target: Count
    seconds: Distribution
    duration: Distribution
