"""An OpenTelemetry collector that keeps what it is sent: the real TraceService, on loopback."""

import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

PATIENCE = 20.0  # seconds that spans may take to arrive


def read_value(value: Any) -> Any:
    """An attribute's value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [read_value(one) for one in value.array_value.values]
    return getattr(value, kind)


def read_attributes(attributes: Any) -> dict[str, Any]:
    return {attribute.key: read_value(attribute.value) for attribute in attributes}


class Seen:
    """One span: of which service, its name, its attributes, and what hangs below it."""

    def __init__(self, resource: dict[str, Any], span: Any) -> None:
        self.resource = resource
        self.service = resource["service.name"].removeprefix("runestone-")
        self.span = span
        self.name = span.name
        self.kind = span.kind
        self.attributes = read_attributes(span.attributes)
        self.children: list[Seen] = []

    @property
    def links(self) -> list[tuple[str, str]]:
        """Trace and span of what it links to."""
        return [(link.trace_id.hex(), link.span_id.hex()) for link in self.span.links]

    def find(self, name: str) -> list["Seen"]:
        """All below it, and itself, that are called so, in the order in which they began."""
        found = [self] if self.name == name else []
        for child in self.children:
            found += child.find(name)
        return sorted(found, key=lambda seen: seen.span.start_time_unix_nano)

    def __repr__(self) -> str:
        return f"{self.service}: {self.name} {self.children}"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps every span by its id; `headers` are those that came with the last batch."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[dict[str, Any], Any]] = {}
        self.headers: dict[str, str] = {}

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.headers = {str(key): str(value) for key, value in context.invocation_metadata()}
        for sent in request.resource_spans:
            resource = read_attributes(sent.resource.attributes)
            for scope in sent.scope_spans:
                self.spans.update({span.span_id.hex(): (resource, span) for span in scope.spans})
        return trace_service_pb2.ExportTraceServiceResponse()

    def roots(self, trace_id: str) -> list[Seen]:
        """What hangs on no span that was seen, with all that is below."""
        seen = {
            span_id: Seen(resource, span)
            for span_id, (resource, span) in list(self.spans.items())
            if span.trace_id.hex() == trace_id
        }
        roots = []
        for one in seen.values():
            parent = seen.get(one.span.parent_span_id.hex())
            (parent.children if parent else roots).append(one)
        return sorted(roots, key=lambda root: root.span.start_time_unix_nano)

    def wait_for(self, trace_id: str, look: Callable[[list[Seen]], bool]) -> list[Seen]:
        """The roots of a trace once they are what `look` wants: spans come in batches, the last part's last."""
        deadline = time.monotonic() + PATIENCE
        while not look(roots := self.roots(trace_id)):
            assert time.monotonic() < deadline, roots
            time.sleep(0.05)
        return roots


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector, and its endpoint."""
    servicer = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield servicer, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
