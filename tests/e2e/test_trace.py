"""One trace for a call, with a span for every edge of the drawing in the README, seen by a real OTLP collector."""

import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import openai
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from real_mesh import ACME, LIMITED, Mesh, mesh_running

HELLO = [{"role": "user", "content": "Hello"}]
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CALLER_SPAN = "b7ad6b7169203331"

# (who, what) -> who called it. Every arrow of the drawing, both ends where both are ours.
EDGES = {
    ("edge", "POST /v1/chat/completions"): ("caller", ""),
    ("edge", "runestone.ratelimit.v1.RateLimitService/Reserve"): ("edge", "POST /v1/chat/completions"),
    ("ratelimit", "runestone.ratelimit.v1.RateLimitService/Reserve"): (
        "edge",
        "runestone.ratelimit.v1.RateLimitService/Reserve",
    ),
    ("edge", "runestone.cache.v1.CacheService/LookUp"): ("edge", "POST /v1/chat/completions"),
    ("cache", "runestone.cache.v1.CacheService/LookUp"): ("edge", "runestone.cache.v1.CacheService/LookUp"),
    ("edge", "runestone.provider.v1.ProviderService/Call"): ("edge", "POST /v1/chat/completions"),
    ("provider", "runestone.provider.v1.ProviderService/Call"): ("edge", "runestone.provider.v1.ProviderService/Call"),
    ("provider", "chat simulated"): ("provider", "runestone.provider.v1.ProviderService/Call"),
    ("edge", "runestone.cache.v1.CacheService/StoreAll"): ("edge", "POST /v1/chat/completions"),
    ("cache", "runestone.cache.v1.CacheService/StoreAll"): ("edge", "runestone.cache.v1.CacheService/StoreAll"),
    ("audit", "audit append"): ("edge", "POST /v1/chat/completions"),
}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps every span by its id."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[str, Any]] = {}

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        for resource in request.resource_spans:
            (service,) = [a.value.string_value for a in resource.resource.attributes if a.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.span_id.hex()] = (service.removeprefix("runestone-"), span)
        return trace_service_pb2.ExportTraceServiceResponse()

    def edges(self, trace_id: str) -> dict[tuple[str, str], tuple[str, str]]:
        """Every span of a trace and its parent, by service and name."""
        found = {}
        for service, span in list(self.spans.values()):
            if span.trace_id.hex() == trace_id:
                parent = self.spans.get(span.parent_span_id.hex())
                outside = ("caller", "") if span.parent_span_id.hex() == CALLER_SPAN else ("missing", "")
                found[service, span.name] = (parent[0], parent[1].name) if parent else outside
        return found

    def stages(self, trace_id: str) -> dict[str, float]:
        """What the edge's span says of each middleware: its name and seconds."""
        found = {}
        for service, span in list(self.spans.values()):
            if span.trace_id.hex() == trace_id and service == "edge":
                for event in span.events:
                    said = {attribute.key: attribute.value for attribute in event.attributes}
                    assert (span.name, event.name) == ("POST /v1/chat/completions", "middleware")
                    name = said["runestone.middleware"].string_value
                    found[name] = said["runestone.middleware.seconds"].double_value
        return found


@pytest.fixture
def collector() -> Iterator[tuple[Collector, int]]:
    servicer = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, port
    server.stop(None).wait()


def wait_until_kept(mesh: Mesh) -> None:
    deadline = time.monotonic() + 10
    while not mesh.command("cache", "stats")[0]["entries"]:
        assert time.monotonic() < deadline, "no answer was kept"


def test_one_trace_holds_every_edge_of_the_drawing_and_every_middleware(collector: tuple[Collector, int]) -> None:
    """Of two calls, as the cache is only asked for what it has."""
    servicer, port = collector
    with mesh_running(telemetry={"otlp_endpoint": f"http://127.0.0.1:{port}", "sample_ratio": 0}) as mesh:
        headers = {"traceparent": f"00-{TRACE_ID}-{CALLER_SPAN}-01"}
        with openai.OpenAI(
            base_url=f"{mesh.url}/v1", api_key=LIMITED, max_retries=0, default_headers=headers
        ) as client:
            sampled = client.chat.completions.with_raw_response.create(model="simulated", messages=HELLO, temperature=0)
            wait_until_kept(mesh)
            again = client.chat.completions.with_raw_response.create(model="simulated", messages=HELLO, temperature=0)
            assert (sampled.headers["x-cache"], again.headers["x-cache"]) == ("MISS", "HIT")
            unsampled = client.with_options(api_key=ACME).chat.completions.with_raw_response.create(
                model="simulated", messages=HELLO, extra_headers={"traceparent": f"00-{'a' * 32}-{CALLER_SPAN}-00"}
            )
        deadline = time.monotonic() + 15
        while servicer.edges(TRACE_ID) != EDGES and time.monotonic() < deadline:
            time.sleep(0.1)
    assert servicer.edges(TRACE_ID) == EDGES
    assert unsampled.headers["traceparent"].split("-")[1] == "a" * 32
    assert servicer.edges("a" * 32) == {}
    stages = servicer.stages(TRACE_ID)
    assert list(stages) == [stage.split(";")[0] for stage in sampled.headers["server-timing"].split(", ")]
    assert all(seconds > 0 for seconds in stages.values())
