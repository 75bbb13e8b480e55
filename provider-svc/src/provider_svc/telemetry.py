"""What provider-svc tells of upstream calls: one client span each, and metrics with bounded labels.

Attribute names are those of OpenTelemetry's GenAI semantic conventions; what they lack is `runestone.*`.
"""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from chassis.context import TraceContext
from chassis.metrics import Metrics
from chassis.tracing import Tracing
from provider_svc.pricing.bill import Owed
from provider_svc.provider import Meter

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

COMPLETED = "completed"

USAGE_ATTRIBUTES = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_input_tokens": "gen_ai.usage.cache_write.input_tokens",
    "reasoning_output_tokens": "gen_ai.usage.reasoning.output_tokens",
    "is_estimated": "runestone.usage.is_estimated",
}


class Telemetry:
    """The metrics and spans of upstream calls. Labels: a provider's configured name, an outcome (`completed` or an error
    reason), a direction."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._tracing = tracing
        self._coalesced = metrics.counter("upstream_coalesced", "Calls that shared an upstream call begun by another")
        self._calls = metrics.counter("upstream_calls", "Upstream calls that are over", ("provider", "outcome"))
        self._first_bytes = metrics.histogram("upstream_first_byte_seconds", "Time to the first byte", ("provider",))
        self._durations = metrics.histogram("upstream_call_seconds", "Time to the last byte", ("provider",))
        tokens = "Tokens as providers count, or as estimated where a stream ended early"
        self._tokens = metrics.counter("upstream_tokens", tokens, ("provider", "direction"))
        self._dollars = metrics.counter("upstream_cost_dollars", "What upstream calls cost", ("provider",))
        self._unpriced = metrics.counter("upstream_unpriced", "Upstream calls without a known price", ("provider",))
        self._batches = metrics.counter("upstream_batches", "Upstream calls that answered several calls", ("provider",))
        self._batched = metrics.counter("upstream_batched_calls", "Calls that were answered together", ("provider",))

    def span(self, provider: str, kind: str, model: str, *, stream: bool) -> "AbstractContextManager[Span | None]":
        """The span of one upstream call; None where the call is not sampled."""
        attributes: dict[str, str | bool] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": kind,
            "gen_ai.request.model": model,
            "gen_ai.request.stream": stream,
            "runestone.provider": provider,
        }
        return self._tracing.span(f"chat {model}", kind="client", attributes=attributes)

    def note_join(self, model: str, leader: TraceContext | None) -> None:
        """A call shares another's upstream call: a span of no duration in its own trace links to that call's span."""
        self._coalesced.inc()
        with self._tracing.span(f"follow {model}") as span:
            if span is not None and leader is not None:
                span.add_link(_span_context(leader))

    def note_first_byte(self, provider: str, seconds: float) -> None:
        """An answer has begun."""
        self._first_bytes.labels(provider).observe(seconds)

    def note_batch(self, provider: str, calls: int) -> None:
        """One upstream call has answered so many."""
        self._batches.labels(provider).inc()
        self._batched.labels(provider).inc(calls)

    def note_end(self, provider: str, outcome: str, seconds: float, owed: Owed) -> None:
        """A call is over."""
        self._calls.labels(provider, outcome).inc()
        self._durations.labels(provider).observe(seconds)
        if owed.usage is None:
            return
        self._tokens.labels(provider, "input").inc(owed.usage.input_tokens)
        self._tokens.labels(provider, "output").inc(owed.usage.output_tokens)
        if owed.cost is not None:
            self._dollars.labels(provider).inc(owed.cost.nano_usd / 1e9)
        else:
            self._unpriced.labels(provider).inc()


def _span_context(trace: TraceContext) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415  imported only where spans are recorded

    return SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=False, trace_flags=TraceFlags(1))


def describe(span: "Span | None", meter: Meter) -> None:
    """Writes what the call used, and how it stopped, on its span."""
    if span is None:
        return
    if meter.finish_reason:
        span.set_attribute("gen_ai.response.finish_reasons", [meter.finish_reason])
    for field, value in meter.usage.ListFields() if meter.usage is not None else ():
        span.set_attribute(USAGE_ATTRIBUTES[field.name], value)
