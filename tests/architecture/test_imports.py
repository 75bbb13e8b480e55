"""Who may import whom: protos <- chassis <- a service <- launcher."""

import ast
from pathlib import Path

import pytest

from architecture.sources import PACKAGES, ROOT, SERVICES, Source, sources_of

# What each package may use of the others.
ALLOWED = {
    "runestone": set(),
    "chassis": {"runestone"},
    **{service: {"runestone", "chassis"} for service in SERVICES},
    "launcher": {"runestone", "chassis", *SERVICES},
    "runestone_client": {"runestone"},  # in its part for gRPC alone, as the next test says
}

# The pure hearts: the clock, the network and chance are given to them, never fetched. A folder stands for all that is below it.
HEARTS = {
    "chassis": [
        "gcra.py",
        "deadline.py",
        "features.py",
        "hashing.py",
        "sse.py",
        "globs.py",
        "mesh_security/access.py",
        "mesh_security/identity.py",
        "billing/price.py",
        "billing/estimate.py",
        "billing/total.py",
        "conventions.py",
        "genai_buckets.py",
        "operations.py",
    ],
    "gateway_edge": [
        "question/fingerprint.py",
        "question/body.py",
        "question/capture.py",
        "question/form.py",
        "question/views.py",
        "endpoints/endpoint.py",
        "realtime/codes.py",
        "grpc_door/question.py",
        "grpc_door/answer.py",
        "endpoints/spellings.py",
        "endpoints/stored.py",
        "endpoints/streams.py",
        "endpoints/table.py",
        "endpoints/voice.py",
        "endpoints/voices.py",
        "openapi/form_fields.py",
        "limits/account.py",
        "limits/book.py",
        "limits/limit.py",
        "callers/scopes.py",
        "rooms/history.py",
        "rooms/names.py",
        "rooms/presence.py",
        "rooms/said.py",
        "channels/asking.py",
        "channels/frames.py",
        "channels/numbering.py",
        "channels/slots.py",
        "channels/telling.py",
        "channels/topics.py",
        "http1/parser.py",
        "http1/request.py",
        "responses_socket/envelope.py",
        "stored/asking.py",
        "stored/place.py",
        "stored/reading.py",
        "streams/note.py",
        "streams/numbering.py",
        "streams/position.py",
        "transform/answers.py",
        "transform/changes.py",
        "transform/events.py",
        "transform/facts.py",
        "transform/headers.py",
        "transform/named_redaction.py",
        "transform/places.py",
        "transform/redaction.py",
        "transform/requests.py",
        "transform/stream_redaction.py",
        "transform/texts.py",
        "websocket/application.py",
        "websocket/codes.py",
        "websocket/deflate.py",
        "websocket/framing.py",
        "websocket/handshake.py",
        "websocket/origins.py",
        "websocket/pace.py",
        "websocket/patience.py",
        "websocket/place.py",
        "websocket/presented.py",
        "websocket/reading.py",
        "websocket/terms.py",
        "messages/message.py",
        "costs/tab.py",
        "repeats/learning.py",
        "audit_record.py",
        "callers/session.py",
    ],
    "cache_svc": [
        "hints/topic.py",
        "rooms/pace.py",
        "rooms/redis_keys.py",
        "rooms/room.py",
        "rooms/shelf.py",
        "rooms/writing.py",
        "streams/copy.py",
        "streams/writing.py",
        "encryption/tenant_seal.py",
        "rooms/reading.py",
        "streams/reading.py",
    ],
    "launcher": [
        "envoy/access_log.py",
        "envoy/anytype.py",
        "envoy/bootstrap.py",
        "envoy/certificates.py",
        "envoy/claims.py",
        "envoy/clusters.py",
        "envoy/endpoints.py",
        "envoy/listeners.py",
        "envoy/local_replies.py",
        "envoy/overload.py",
        "envoy/routes.py",
        "envoy/site.py",
        "envoy/sites.py",
        "envoy/writing.py",
        "mesh/configuration.py",
        "mesh/counts.py",
        "mesh/parts.py",
        "keyring.py",
        "route_explanation.py",
        "target_report.py",
    ],
    "runestone_client": [
        "address.py",
        "backoff.py",
        "cursor.py",
        "errors.py",
        "frames.py",
        "grpc/events.py",
        "grpc/reasons.py",
        "presence.py",
        "texts.py",
    ],
    "audit_svc": ["batch.py", "moment.py", "paging.py", "postgres_text.py", "postgres_url.py", "store.py"],
    "ratelimit_svc": [
        "envoy/binding.py",
        "envoy/reading.py",
        "envoy/rules.py",
        "envoy/verdict.py",
        "envoy/writing.py",
        "lease.py",
        "limit.py",
        "reservation.py",
    ],
    "provider_svc": [
        "span_attributes.py",
        "realtime/metering.py",
        "sse.py",
        "inspection.py",
        "routing/",
        "ring.py",
        "dialects/",
        "batching/item.py",
        "batching/merging.py",
        "batching/shared_failure.py",
        "batching/shares.py",
        "batching/splitting.py",
        "pricing/bill.py",
        "pricing/tariffs.py",
        "relay.py",
        "envelope.py",
        "client_headers.py",
        "keeping.py",
        "lasting.py",
        "copies/writing.py",
        "keys/choice.py",
        "keys/limit.py",
        "keys/pauses.py",
        "keys/seat.py",
        "documents.py",
        "failures.py",
        "health/",
        "openai/form.py",
        "openai/media.py",
        "openai/quirks.py",
        "openai/request.py",
        "openai/response.py",
        "openai/responses.py",
        "openai/schema.py",
        "openai/stored.py",
        "openai/stream.py",
        "anthropic/message.py",
        "anthropic/usage.py",
        "simulated/answer.py",
        "simulated/completions.py",
        "simulated/embeddings.py",
        "simulated/moderations.py",
        "simulated/rerank.py",
        "hints/heard.py",
        "hints/outbox.py",
        "hints/target_key.py",
        "http1/coding.py",
        "http1/origin.py",
        "http1/reply.py",
        "http1/request.py",
        "http2/dialogue.py",
        "http2/frames.py",
        "http2/heads.py",
        "http2/reply.py",
    ],
}
IMPURE = {"aiohttp", "aiosqlite", "asyncio", "asyncpg", "grpc", "httpx", "random", "redis", "secrets", "socket", "time"}


def list_hearts() -> list[tuple[str, str]]:
    """Every module of the table by its package."""
    found = []
    for package, hearts in HEARTS.items():
        root = ROOT / PACKAGES[package]
        for heart in hearts:
            modules = sorted((root / heart).rglob("*.py")) if heart.endswith("/") else [root / heart]
            assert modules, f"{package}: {heart} is empty"
            found += [(package, str(module.relative_to(root))) for module in modules]
    return found


def top_levels(source: Source) -> set[str]:
    return {name.partition(".")[0] for name in source.imports()}


def is_built(package: str) -> bool:
    """Whether the package has its composition root; the chassis and the client are one whole."""
    return package in {"chassis", "runestone_client"} or (ROOT / PACKAGES[package] / "service.py").exists()


def test_every_package_of_the_workspace_is_looked_at():
    folders = {path.parent for path in ROOT.glob("*/src/*/__init__.py")}
    folders |= {path.parent for path in ROOT.glob("services/*/src/*/__init__.py")}
    folders |= {path.parent for path in ROOT.glob("sdk/*/src/*/__init__.py")}
    assert folders == {ROOT / folder for folder in PACKAGES.values()}
    assert all(len(sources_of(package)) > 1 for package in PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package):
    """No service imports another: the proto is all they share."""
    forbidden = set(PACKAGES) - ALLOWED[package] - {package}
    found = {
        f"{source.name} imports {name}" for source in sources_of(package) for name in top_levels(source) & forbidden
    }
    assert found == set()


def test_the_client_is_installed_with_one_library_alone():
    """What is for gRPC comes with its extra."""
    needs_more = {"runestone", "grpc", "google"}
    sources = [source for source in sources_of("runestone_client") if not source.name.startswith("grpc/")]
    assert {source.name for source in sources if top_levels(source) & needs_more} == set()


@pytest.mark.parametrize(("package", "heart"), list_hearts())
def test_a_heart_is_pure(package, heart):
    path = ROOT / PACKAGES[package] / heart
    if not path.exists():
        assert not is_built(package), f"{package} is built, and its {heart} is missing"
        pytest.skip(f"{package} is not built yet")
    assert top_levels(Source(package, path)) & IMPURE == set()


@pytest.mark.parametrize(
    ("text", "imported"),
    [
        ("import grpc.aio", {"grpc.aio"}),
        ("def f():\n    import time", {"time"}),
        ("from redis import asyncio", {"redis.asyncio"}),
        ("from . import store", {"cache_svc.inner.store"}),
        ("from ..store import Store", {"cache_svc.store.Store"}),
    ],
)
def test_an_import_is_found_wherever_it_stands(text, imported):
    """The test of the tests above."""
    source = Source("cache_svc", ROOT / PACKAGES["cache_svc"] / "inner" / "module.py")
    source.__dict__["tree"] = ast.parse(text)
    assert source.imports() == imported


def test_a_service_has_the_same_rooms_as_every_other():
    """`__main__` of two lines, the composition root, settings."""
    rooms = ("__main__.py", "service.py", "settings.py")
    built = [package for package in SERVICES if is_built(package)]
    missing = [f"{p}/{room}" for p in built for room in rooms if not (ROOT / PACKAGES[p] / room).exists()]
    assert missing == []


def test_the_chassis_stands_without_any_service():
    """Its distribution says so too: what it does not depend on cannot be imported in its image."""
    import tomllib

    distribution = tomllib.loads((ROOT / "services/chassis/pyproject.toml").read_text())
    ours = {name for name in distribution["project"]["dependencies"] if name.startswith("runestone-")}
    assert ours == {"runestone-protos"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_depends_on_the_chassis_and_on_no_other_service(service):
    import tomllib

    folder = Path(PACKAGES[service]).parts[0]
    distribution = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())
    ours = {name.partition("[")[0] for name in distribution["project"]["dependencies"] if name.startswith("runestone-")}
    assert ours <= {"runestone-protos", "runestone-chassis"}
