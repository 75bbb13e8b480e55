"""One trace through every hop, W3C Trace Context (https://www.w3.org/TR/trace-context/) in and out.

Whether a call is sampled is decided once, where it enters the mesh; after that the flag travels in `traceparent`. An
unsampled call creates no span object anywhere: its trace context is a small value that is passed on as it came.
"""

import os
import random
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from chassis import context
from chassis.build import VERSION
from chassis.context import CallContext, TraceContext
from chassis.conventions import Attributes, Naming, choose_naming, name_attributes
from chassis.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, Tracer

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
Kind = Literal["internal", "server", "client"]

# Version ff is forbidden, and so are ids of zeros. Later versions may add fields behind the flags; these four keep their
# meaning.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Of what other vendors' tracers note, no more than they have to be given room for is passed on; text that is no header's is not.
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
NO_SPAN: AbstractContextManager[None] = nullcontext()


def parse_traceparent(header: str | None) -> TraceContext | None:
    """The context in a `traceparent` header; None for an absent or malformed one, which then starts a new trace."""
    match = _TRACEPARENT.fullmatch(header or "")
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "00" and more:
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & 1 == 1)


class Tracing:
    """Begins traces and records spans of one service; without an endpoint it records nothing and only passes on."""

    def __init__(
        self,
        service: str,
        *,
        otlp_endpoint: str | None = None,
        sample_ratio: float = 0.0,
        naming: Naming = "current",
        metrics: Metrics | None = None,
    ) -> None:
        self._ratio = sample_ratio if otlp_endpoint else 0.0
        self._naming = choose_naming(naming, os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", ""))
        self._tracer: Tracer | None = None
        self._close: Callable[[], None] | None = None
        if otlp_endpoint:
            self._tracer, self._close = _open(service, otlp_endpoint, metrics or Metrics())

    def begin(self, traceparent: str | None, tracestate: str | None = None) -> TraceContext:
        """The context of a call that enters the mesh: the caller's own, with what other tracers say in `tracestate`, or the first of a new
        trace.

        A caller's sampled flag is honoured only where spans are recorded at all; its trace id always is.
        """
        parent = parse_traceparent(traceparent)
        if parent is not None:
            if tracestate and _TRACESTATE.fullmatch(tracestate):
                return parent._replace(state=tracestate)
            return parent
        sampled = self._ratio > 0 and random.random() < self._ratio  # noqa: S311  sampling needs no secrecy
        digits = os.urandom(24).hex()
        return TraceContext(digits[:32], digits[32:], sampled)

    def span(
        self, name: str, *, kind: Kind = "internal", attributes: Attributes | None = None
    ) -> "AbstractContextManager[Span | None]":
        """Records what happens inside as a span of the current call, when the call is sampled. Yields the span or None."""
        if self._tracer is None or not self.is_sampling():
            return NO_SPAN
        return self._recorded(self._tracer, name, kind, attributes)

    def describe(self, span: "Span", attributes: Attributes) -> None:
        """Writes `attributes`, which have today's names, on a span."""
        span.set_attributes(name_attributes(attributes, self._naming))

    def is_sampling(self) -> bool:
        """Whether spans of the current call are recorded: who has much to say of one asks before."""
        return self._tracer is not None and context.current().trace.sampled

    @contextmanager
    def _recorded(self, tracer: "Tracer", name: str, kind: Kind, attributes: Attributes | None) -> "Iterator[Span]":
        from opentelemetry import trace  # noqa: PLC0415  imported only where spans are recorded

        call = context.current()
        outer = call.trace
        span = tracer.start_span(
            name,
            context=trace.set_span_in_context(trace.NonRecordingSpan(span_context(outer, is_remote=True))),
            kind=trace.SpanKind[kind.upper()],
            attributes=name_attributes(attributes, self._naming) if attributes else None,
        )
        inner = outer._replace(span_id=f"{span.get_span_context().span_id:016x}")
        context.bind(call._replace(trace=inner))
        try:
            yield span
        except BaseException as error:
            mark_failed(span, error)
            raise
        finally:
            context.bind(call)
            span.end()

    def note(self, name: str, traceparent: str) -> None:
        """Records a span of no duration in the trace that `traceparent` names, when that is sampled: for work done later
        and for many calls at once."""
        joined = parse_traceparent(traceparent) if self._tracer is not None else None
        if joined is None or not joined.sampled:
            return
        running = context.current()
        context.bind(CallContext(joined))
        try:
            with self.span(name):
                pass
        finally:
            context.bind(running)

    def shutdown(self) -> None:
        """Sends what is still buffered; blocks for a few seconds at most."""
        if self._close is not None:
            self._close()


def span_context(trace: TraceContext, *, is_remote: bool) -> "SpanContext":
    """A place in a trace, as OpenTelemetry has it."""
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState  # noqa: PLC0415  imported only where spans are recorded

    state = TraceState.from_header([trace.state]) if trace.state else None
    return SpanContext(
        int(trace.trace_id, 16), int(trace.span_id, 16), is_remote, TraceFlags(int(trace.sampled)), state
    )


def mark_failed(span: "Span", error: BaseException) -> None:
    """Says on a span how what it records failed, without what an error's message may tell of a client."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415  imported only where spans are recorded

    span.set_status(StatusCode.ERROR, type(error).__name__)
    span.set_attribute("error.type", str(getattr(error, "reason", type(error).__name__)))


def _open(service: str, endpoint: str, metrics: Metrics) -> "tuple[Tracer, Callable[[], None]]":
    """A tracer, and what sends the rest. The SDK is imported only here: a mesh without an endpoint does not pay for it."""
    from chassis.trace_export import open_provider  # noqa: PLC0415

    outcomes = metrics.counter(
        "trace_spans", "Spans that ended: sent, failed to be sent, or dropped because too many waited", ("outcome",)
    )
    provider, processor = open_provider(service, str(uuid4()), endpoint, outcomes)
    metrics.gauge("trace_spans_waiting", "Spans that wait to be sent").set_function(lambda: processor.waiting)
    return provider.get_tracer("runestone", VERSION), provider.shutdown
