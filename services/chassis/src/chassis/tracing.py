"""One trace through every hop, W3C Trace Context (https://www.w3.org/TR/trace-context/) in and out.

Whether a call is sampled is decided once, where it enters the mesh; after that the flag travels in `traceparent`. An
unsampled call creates no span object anywhere: its trace context is a small value that is passed on as it came.
"""

import os
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from chassis import context
from chassis.context import CallContext, TraceContext

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

TRACEPARENT = "traceparent"
Kind = Literal["internal", "server", "client"]
Attributes = Mapping[str, str | int | float | bool]

# Version ff is forbidden, and so are ids of zeros. Later versions may add fields behind the flags; these four keep their
# meaning.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
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

    def __init__(self, service: str, *, otlp_endpoint: str | None = None, sample_ratio: float = 0.0) -> None:
        self._ratio = sample_ratio if otlp_endpoint else 0.0
        self._provider = _open_provider(service, otlp_endpoint) if otlp_endpoint else None
        self._tracer: Tracer | None = self._provider.get_tracer("runestone") if self._provider else None

    def begin(self, traceparent: str | None) -> TraceContext:
        """The context of a call that enters the mesh: the caller's own, or the first of a new trace.

        A caller's sampled flag is honoured only where spans are recorded at all; its trace id always is.
        """
        parent = parse_traceparent(traceparent)
        if parent is not None:
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

    def is_sampling(self) -> bool:
        """Whether spans of the current call are recorded: who has much to say of one asks before."""
        return self._tracer is not None and context.current().trace.sampled

    @contextmanager
    def _recorded(self, tracer: "Tracer", name: str, kind: Kind, attributes: Attributes | None) -> "Iterator[Span]":
        from opentelemetry import trace  # noqa: PLC0415  imported only where spans are recorded

        call = context.current()
        outer = call.trace
        parent = trace.SpanContext(int(outer.trace_id, 16), int(outer.span_id, 16), True, trace.TraceFlags(1))
        span = tracer.start_span(
            name,
            context=trace.set_span_in_context(trace.NonRecordingSpan(parent)),
            kind=trace.SpanKind[kind.upper()],
            attributes=attributes,
        )
        inner = outer._replace(span_id=f"{span.get_span_context().span_id:016x}")
        context.bind(call._replace(trace=inner))
        try:
            yield span
        except BaseException as error:
            span.set_status(trace.StatusCode.ERROR, type(error).__name__)
            span.set_attribute("error.type", str(getattr(error, "reason", type(error).__name__)))
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
        if self._provider is not None:
            self._provider.shutdown()


def _open_provider(service: str, endpoint: str) -> "TracerProvider":
    """Imports the SDK only here: a mesh without an endpoint does not pay for it."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"runestone-{service}"}), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    return provider
