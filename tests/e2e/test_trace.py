"""One trace for a call, with a span for every edge of the drawing in the README, seen by a real OTLP collector."""

import time

import openai
from otlp_collector import Collector, Seen, collecting, read_attributes
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


def edges(collector: Collector, trace_id: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Every span of a trace and its parent, by service and name."""
    found: dict[tuple[str, str], tuple[str, str]] = {}

    def visit(seen: Seen, parent: tuple[str, str]) -> None:
        found[seen.service, seen.name] = parent
        for child in seen.children:
            visit(child, (seen.service, seen.name))

    for root in collector.roots(trace_id):
        visit(root, ("caller" if root.span.parent_span_id.hex() == CALLER_SPAN else "missing", ""))
    return found


def stages(collector: Collector, trace_id: str) -> dict[str, float]:
    """What the edge's span says of each middleware: its name and seconds."""
    found = {}
    for root in collector.roots(trace_id):
        for event in root.span.events:
            said = read_attributes(event.attributes)
            assert (root.name, event.name) == ("POST /v1/chat/completions", "middleware")
            found[said["runestone.middleware"]] = said["runestone.middleware.seconds"]
    return found


def wait_until_kept(mesh: Mesh) -> None:
    deadline = time.monotonic() + 10
    while not mesh.command("cache", "stats")[0]["entries"]:
        assert time.monotonic() < deadline, "no answer was kept"


def test_one_trace_holds_every_edge_of_the_drawing_and_every_middleware() -> None:
    """Of two calls, as the cache is only asked for what it has."""
    with (
        collecting() as (collector, endpoint),
        mesh_running(telemetry={"otlp_endpoint": endpoint, "sample_ratio": 0}) as mesh,
    ):
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
        while edges(collector, TRACE_ID) != EDGES and time.monotonic() < deadline:
            time.sleep(0.1)
    assert edges(collector, TRACE_ID) == EDGES
    assert unsampled.headers["traceparent"].split("-")[1] == "a" * 32
    assert edges(collector, "a" * 32) == {}
    spent = stages(collector, TRACE_ID)
    assert list(spent) == [stage.split(";")[0] for stage in sampled.headers["server-timing"].split(", ")]
    assert all(seconds > 0 for seconds in spent.values())
