"""How spans leave the process: over OTLP, in batches, from a thread of their own; none of it is on the way of a call.

What the collector does not take in time is dropped and counted. Only imported where spans are recorded.
"""

import logging
import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from chassis.build import REVISION, VERSION
from chassis.logs import get_logger
from chassis.metric_families import Counter

MOST_WAITING = 2_048  # spans
EXPORT_TIMEOUT = 5  # seconds for one batch, tries included
PAUSE_MS = 500  # between batches that are not full
LAST_EXPORTS = 2.0  # seconds after the end is announced in which another batch may begin


class _InOurLog(logging.Handler):
    """What the SDK has to say of a collector that does not answer, as lines like all others."""

    def emit(self, record: logging.LogRecord) -> None:
        """Passes one on."""
        get_logger("telemetry").warning("spans not sent", reason=record.getMessage())


class CountedExporter(SpanExporter):
    """Counts what the exporter within did; when the process stops it soon gives up."""

    def __init__(self, exporter: SpanExporter, outcomes: Counter) -> None:
        self._exporter = exporter
        self._sent, self._failed = outcomes.labels("sent"), outcomes.labels("failed")
        self._until = float("inf")
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends a batch; blocks its thread for up to `EXPORT_TIMEOUT` seconds."""
        self.taken += len(spans)
        result = self._exporter.export(spans) if time.monotonic() < self._until else SpanExportResult.FAILURE
        (self._sent if result is SpanExportResult.SUCCESS else self._failed).inc(len(spans))
        return result

    def hurry(self) -> None:
        """The process stops: batches that begin later than in a moment are given up."""
        self._until = time.monotonic() + LAST_EXPORTS

    def shutdown(self) -> None:
        """Ends the connection."""
        self._exporter.shutdown()


class BoundedProcessor(SpanProcessor):
    """Hands ended spans to the batches of `exporter`'s thread while fewer than `MOST_WAITING` wait, and drops the others."""

    def __init__(self, exporter: CountedExporter, outcomes: Counter) -> None:
        self._exporter = exporter
        self._batches = BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=PAUSE_MS)
        self._dropped = outcomes.labels("dropped")
        self._given = 0

    @property
    def waiting(self) -> int:
        """Spans that no batch has taken yet. Each of the two numbers is written by one thread only."""
        return self._given - self._exporter.taken

    def on_end(self, span: ReadableSpan) -> None:
        """Never blocks."""
        if self.waiting >= MOST_WAITING:
            self._dropped.inc()
            return
        self._given += 1
        self._batches.on_end(span)

    def shutdown(self) -> None:
        """Sends what waits, as far as the collector takes it soon."""
        self._exporter.hurry()
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # it has no annotations

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Sends what waits."""
        return self._batches.force_flush(timeout_millis)


def describe_process(service: str, instance: str) -> Resource:
    """Who the spans are of. `OTEL_RESOURCE_ATTRIBUTES` adds to it and may say another instance; the service's name is ours."""
    own = Resource({"service.namespace": "runestone", "service.version": VERSION, "service.instance.id": instance})
    if REVISION:
        own = own.merge(Resource({"vcs.ref.head.revision": REVISION}))
    named = Resource({"service.name": f"runestone-{service}"})
    return Resource.create().merge(own).merge(OTELResourceDetector().detect()).merge(named)


def open_provider(
    service: str, instance: str, endpoint: str, outcomes: Counter
) -> tuple[TracerProvider, BoundedProcessor]:
    """A provider whose spans go to `endpoint`, in the clear for `http://`, and what holds them back. Certificates and headers are those of
    OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_CERTIFICATE`)."""
    sdk = logging.getLogger("opentelemetry")
    sdk.handlers, sdk.propagate = [_InOurLog()], False
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=EXPORT_TIMEOUT)
    processor = BoundedProcessor(CountedExporter(exporter, outcomes), outcomes)
    provider = TracerProvider(resource=describe_process(service, instance), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider, processor
