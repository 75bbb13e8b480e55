"""What provider-svc tells of upstream calls: one client span each, and metrics with bounded labels.

Attribute names are those of OpenTelemetry's GenAI semantic conventions; what they lack is `runestone.*`.
"""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from chassis.context import TraceContext
from chassis.metric_families import Count, Distribution
from chassis.metrics import Metrics
from chassis.tracing import NO_SPAN, Tracing
from provider_svc.attempts.attempt import Attempt
from provider_svc.provider import Meter
from runestone.common.v1.dialect_pb2 import (
    DIALECT_ANTHROPIC_COUNT_TOKENS,
    DIALECT_OPENAI_COMPLETIONS,
    DIALECT_OPENAI_EMBEDDINGS,
    DIALECT_OPENAI_IMAGE_EDITS,
    DIALECT_OPENAI_IMAGES,
    DIALECT_OPENAI_MODERATIONS,
    DIALECT_OPENAI_SPEECH,
    DIALECT_OPENAI_TRANSCRIPTIONS,
    DIALECT_OPENAI_TRANSLATIONS,
    DIALECT_RERANK,
    Dialect,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext

COMPLETED = "completed"

# What the conventions call an endpoint; "chat" for whatever answers in words.
OPERATIONS: dict[Dialect.ValueType, str] = {
    DIALECT_OPENAI_COMPLETIONS: "text_completion",
    DIALECT_OPENAI_EMBEDDINGS: "embeddings",
    DIALECT_OPENAI_MODERATIONS: "moderation",
    DIALECT_OPENAI_IMAGES: "image_generation",
    DIALECT_OPENAI_IMAGE_EDITS: "image_generation",
    DIALECT_OPENAI_SPEECH: "speech",
    DIALECT_OPENAI_TRANSCRIPTIONS: "transcription",
    DIALECT_OPENAI_TRANSLATIONS: "transcription",
    DIALECT_RERANK: "rerank",
    DIALECT_ANTHROPIC_COUNT_TOKENS: "count_tokens",
}

USAGE_ATTRIBUTES = {
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cache_read_input_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cache_write_input_tokens": "gen_ai.usage.cache_write.input_tokens",
    "reasoning_output_tokens": "gen_ai.usage.reasoning.output_tokens",
    "is_estimated": "runestone.usage.is_estimated",
}


class Telemetry:
    """The metrics and spans of upstream calls. Labels: a provider's configured name, a model as the configuration has it (`*` for names
    that clients choose), an outcome (`completed` or an error reason), a direction, a route, why there was one call more."""

    def __init__(self, metrics: Metrics, tracing: Tracing) -> None:
        self._tracing = tracing
        self._tallies: dict[tuple[str, str, str, str], Tally] = {}  # by all of their labels
        self._coalesced = metrics.counter("upstream_coalesced", "Calls that shared an upstream call begun by another")
        self._calls = metrics.counter("upstream_calls", "Upstream calls that are over", ("provider", "outcome"))
        self._targets = metrics.counter(
            "target_calls", "Upstream calls that are over", ("provider", "model", "why", "outcome")
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

    def _open_tally(self, provider: str, model: str, why: str, outcome: str) -> "Tally":
        calls, target = self._calls.labels(provider, outcome), self._targets.labels(provider, model, why, outcome)
        return Tally(calls, target, self._durations.labels(provider))

    def span(self, attempt: Attempt) -> "AbstractContextManager[Span | None]":
        """The span of one upstream call; None where the call is not sampled."""
        if not self._tracing.is_sampling():
            return NO_SPAN
        call = attempt.call
        operation = OPERATIONS.get(call.dialect, "chat")
        attributes: dict[str, str | bool | int] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": attempt.stop.seat.configured.kind,
            "gen_ai.request.model": call.model,
            "gen_ai.request.stream": call.stream,
            "runestone.provider": attempt.provider,
            "runestone.route": attempt.route,
            "runestone.attempt": attempt.number,
            "runestone.why": attempt.why,
        }
        return self._tracing.span(f"{operation} {call.model}", kind="client", attributes=attributes)

    def note_join(self, leader: TraceContext | None) -> None:
        """A call shares another's upstream call: a span of no duration in its own trace links to that call's span."""
        self._coalesced.inc()
        with self._tracing.span("follow") as span:
            if span is not None and leader is not None:
                span.add_link(_span_context(leader))

    def note_first_byte(self, attempt: Attempt) -> None:
        """An answer has begun."""
        self._first_bytes.labels(attempt.provider).observe(attempt.first_byte)

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
        name = (provider, attempt.stop.label, attempt.why, outcome)
        tally = self._tallies.get(name)
        if tally is None:
            tally = self._tallies[name] = self._open_tally(*name)
        tally.calls.value += attempt.is_sent
        tally.target.value += 1
        tally.seconds.observe(attempt.ended - attempt.started)
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
