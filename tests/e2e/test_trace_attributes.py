"""What each span of a call says, attribute by attribute, as a real collector has it: by today's names and by those before, over processes and
in one."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import aiohttp
import grpc.aio
import pytest
import pytest_asyncio
from channel_client import connected
from fake_provider import FakeProvider
from otlp_collector import Collector, Seen, collecting
from real_mesh import ACME, PRICES, Mesh, mesh_running

from chassis.testing import free_port
from runestone.gateway.v1.gateway_pb2 import CallRequest, Open
from runestone.gateway.v1.gateway_pb2_grpc import GatewayServiceStub

HELLO = [{"role": "user", "content": "a secret that no span tells"}]
CALLER = "b7ad6b7169203331"
STATE = "vendor=anything,other=1"
CHAT, SOCKET = "POST /v1/chat/completions", "POST ws /v1/chat/completions"
CALL = "runestone.provider.v1.ProviderService/Call"
SERVER, CLIENT = 2, 3  # SpanKind
FAILED = 2  # StatusCode
DOLLARS = (11 - 4 + 4 * 0.1 + 5 * 2) / 1e6  # of an answer of five words, by the prices of the tests


class Stage(NamedTuple):
    """A mesh, who collects its spans, where its providers are, and by which names its spans are to be read."""

    mesh: Mesh
    collector: Collector
    port: int
    dead: int
    naming: str


@pytest.fixture(scope="module", params=["current", "legacy in one process", "both in one process"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    naming, _, place = request.param.partition(" in ")
    dead = free_port()
    with collecting() as (collector, endpoint):
        telemetry = {"otlp_endpoint": endpoint, "sample_ratio": 0, "semantic_conventions": naming}
        options = ("--one-process",) if place else ()
        port = free_port()
        providers = [
            {"name": "shut", "kind": "openai_compatible", "base_url": f"http://127.0.0.1:{dead}/v1"},
            {"name": "groq", "kind": "openai_compatible", "preset": "groq", "prices": PRICES}
            | {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "upstream-secret"},
        ]
        models = [
            {"name": "broken", "targets": [{"provider": "shut", "model": "gone"}], "fallbacks": ["whole"]},
            {"name": "whole", "targets": [{"provider": "groq", "model": "words=5"}]},
        ]
        with mesh_running(*options, telemetry=telemetry, providers=providers, models=models) as mesh:
            yield Stage(mesh, collector, port, dead, naming)


@pytest_asyncio.fixture
async def fake(stage: Stage) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=stage.port) as provider:
        yield provider


@pytest.fixture
def trace_id(request: pytest.FixtureRequest) -> str:
    """Of a test's own."""
    return f"{abs(hash(request.node.nodeid)):032x}"


def context(trace_id: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{CALLER}-01", "tracestate": STATE}


async def ask(stage: Stage, trace_id: str, **body: Any) -> dict[str, str]:
    """Asks over HTTP; the answer's headers."""
    headers = {"authorization": f"Bearer {ACME}", **context(trace_id)}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{stage.mesh.url}/v1/chat/completions?api-version=1", json={"messages": HELLO, **body}, headers=headers
        ) as answer,
    ):
        assert answer.status == 200, await answer.text()
        await answer.read()
        return {name.lower(): value for name, value in answer.headers.items()}


async def spans_of(stage: Stage, trace_id: str, *names: str) -> Seen:
    """The one span that hangs on the caller's, once all of `names` are below it."""

    def is_whole(roots: list[Seen]) -> bool:
        """A call's own span may come behind those below it."""
        parents = [root.span.parent_span_id.hex() for root in roots]
        return parents == [CALLER] and all(roots[0].find(name) for name in names)

    (root,) = await asyncio.to_thread(stage.collector.wait_for, trace_id, is_whole)
    return root


def named(stage: Stage, current: dict[str, Any]) -> dict[str, Any]:
    """What spans say where they are to say `current`, by the stage's names."""
    legacy = dict(current)
    if "gen_ai.provider.name" in legacy:
        legacy["gen_ai.system"] = legacy.pop("gen_ai.provider.name")
    for now, before in (("input", "prompt"), ("output", "completion")):
        if f"gen_ai.usage.{now}_tokens" in legacy:
            legacy[f"gen_ai.usage.{before}_tokens"] = legacy[f"gen_ai.usage.{now}_tokens"]
    if "gen_ai.request.seed" in legacy:
        legacy["gen_ai.openai.request.seed"] = legacy.pop("gen_ai.request.seed")
    if "rpc.method" in legacy:
        legacy["rpc.service"], legacy["rpc.method"] = legacy["rpc.method"].split("/")
        legacy["rpc.system"] = legacy.pop("rpc.system.name")
        legacy["rpc.grpc.status_code"] = {"OK": 0}[legacy.pop("rpc.response.status_code")]
    return {"current": current, "legacy": legacy, "both": {**legacy, **current}}[stage.naming]


def said(seen: Seen, *varying: str) -> dict[str, Any]:
    """A span's attributes without those that differ from run to run, which must be there."""
    attributes = dict(seen.attributes)
    for name in varying:
        assert attributes.pop(name), (name, seen.attributes)
    return attributes


def rpc(stage: Stage, method: str) -> dict[str, Any]:
    return named(stage, {"rpc.system.name": "grpc", "rpc.method": method, "rpc.response.status_code": "OK"})


def of_edge(**more: Any) -> dict[str, Any]:
    return {
        "runestone.tenant": "acme",
        "runestone.key": "ci",
        "runestone.pipeline": "default",
        "runestone.route": "whole",
        "runestone.target": "groq/words=5",
        **more,
    }


HTTP = {
    "http.request.method": "POST",
    "http.route": "/v1/chat/completions",
    "http.response.status_code": 200,
    "url.path": "/v1/chat/completions",
    "url.scheme": "http",
}
ASKED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "groq",
    "gen_ai.request.model": "words=5",
    "server.address": "127.0.0.1",
    "runestone.provider": "groq",
    "runestone.route": "whole",
}
ANSWERED = {
    "http.response.status_code": 200,
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.response.id": "chatcmpl-fake",
    "gen_ai.response.model": "words=5",
    "gen_ai.usage.input_tokens": 11,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cache_read.input_tokens": 4,
    "gen_ai.usage.reasoning.output_tokens": 0,
}
OF_ONE_CALL = ("runestone.request_id", "runestone.snapshot", "runestone.first_byte_seconds", "runestone.response.bytes")


async def test_a_miss_shows_every_attempt_of_a_call_that_another_target_answered(
    stage: Stage, fake: FakeProvider, trace_id: str
) -> None:
    """One span an attempt: the first, a retry, the fallback. Who asked, with what and what came of it; never the texts."""
    headers = await ask(stage, trace_id, model="broken", temperature=0, max_tokens=50, seed=7)
    root = await spans_of(stage, trace_id, CALL, "chat gone", "chat words=5", "audit append")
    assert (root.service, root.name, root.kind, root.span.status.code) == ("edge", CHAT, SERVER, 0)
    assert said(root, *OF_ONE_CALL) == of_edge(
        **HTTP,
        **{
            "runestone.model": "broken",
            "runestone.cache": "MISS",
            "runestone.attempts": int(headers["x-runestone-attempts"]),
            "runestone.why": "fallback",
            "runestone.cost_usd": pytest.approx(DOLLARS),
            "runestone.stream.chunks": 0,
        },
    )
    assert root.attributes["runestone.request_id"] == headers["x-request-id"]
    edge_side, provider_side = root.find(CALL)
    assert (edge_side.service, edge_side.kind, provider_side.service, provider_side.kind) == (
        "edge",
        CLIENT,
        "provider",
        SERVER,
    )
    assert [edge_side.attributes, provider_side.attributes] == [rpc(stage, CALL)] * 2
    attempts = sorted(provider_side.children, key=lambda seen: seen.attributes["runestone.attempt"])
    assert len(attempts) == int(headers["x-runestone-attempts"]) > 2
    *failed, answered = attempts
    wishes = {"gen_ai.request.temperature": 0.0, "gen_ai.request.max_tokens": 50, "gen_ai.request.seed": 7}
    for number, attempt in enumerate(failed, 1):
        assert (attempt.name, attempt.kind, attempt.span.status.code) == ("chat gone", CLIENT, FAILED)
        assert attempt.attributes == named(
            stage,
            {
                **ASKED,
                **wishes,
                "gen_ai.provider.name": "openai_compatible",
                "gen_ai.request.model": "gone",
                "gen_ai.request.stream": False,
                "server.port": stage.dead,
                "runestone.provider": "shut",
                "runestone.route": "broken",
                "runestone.attempt": number,
                "runestone.why": "only" if number == 1 else "retry",
                "error.type": "PROVIDER_UNREACHABLE",
            },
        )
    assert (answered.name, answered.kind, answered.span.status.code) == ("chat words=5", CLIENT, 0)
    assert said(answered, "runestone.upstream.request_id") == named(
        stage,
        {
            **ASKED,
            **wishes,
            **ANSWERED,
            "gen_ai.request.stream": False,
            "server.port": stage.port,
            "runestone.attempt": len(attempts),
            "runestone.why": "fallback",
        },
    )
    assert {seen.span.trace_state for seen in (root, edge_side, provider_side, *attempts)} == {STATE}


async def test_a_hit_asks_nobody_and_says_so(stage: Stage, fake: FakeProvider, trace_id: str) -> None:
    asked = {"model": "whole", "temperature": 0, "user": trace_id}
    await ask(stage, f"{1:032x}", **asked)
    deadline = asyncio.get_running_loop().time() + 10
    number = 2
    while (await ask(stage, f"{number:032x}", **asked))["x-cache"] != "HIT":
        assert asyncio.get_running_loop().time() < deadline
        number += 1
    await ask(stage, trace_id, **asked)
    root = await spans_of(stage, trace_id, CHAT, "audit append")
    assert said(root, *OF_ONE_CALL) == of_edge(
        **HTTP,
        **{
            "runestone.model": "whole",
            "runestone.cache": "HIT",
            "runestone.attempts": 0,
            "runestone.stream.chunks": 0,
        },
    )
    assert root.find("chat words=5") == []


async def test_a_stream_says_when_it_began_and_of_how_many_chunks_it_was(
    stage: Stage, fake: FakeProvider, trace_id: str
) -> None:
    await ask(stage, trace_id, model="whole", stream=True)
    root = await spans_of(stage, trace_id, "chat words=5", "audit append")
    assert said(root, *OF_ONE_CALL, "runestone.stream.chunks") == of_edge(
        **HTTP,
        **{
            "runestone.model": "whole",
            "runestone.cache": root.attributes["runestone.cache"],
            "runestone.attempts": 1,
            "runestone.why": "only",
            "runestone.cost_usd": pytest.approx(DOLLARS),
        },
    )
    (attempt,) = root.find("chat words=5")
    assert said(attempt, "runestone.upstream.request_id", "gen_ai.response.time_to_first_chunk") == named(
        stage,
        {
            **ASKED,
            **ANSWERED,
            "gen_ai.request.stream": True,
            "server.port": stage.port,
            "runestone.attempt": 1,
            "runestone.why": "only",
        },
    )


async def test_a_message_on_a_websocket_goes_on_with_the_trace_of_its_join(
    stage: Stage, fake: FakeProvider, trace_id: str
) -> None:
    async with connected(stage.mesh.about["http"]["port"], ACME) as client:
        await client.join("session:a", traceparent=context(trace_id)["traceparent"])
        await client.push("session:a", "chat:message", {"request": {"model": "whole", "messages": HELLO}})
    root = await spans_of(stage, trace_id, CALL, "chat words=5", "audit append")
    assert (root.service, root.name, root.kind) == ("edge", SOCKET, SERVER)
    assert said(root, *OF_ONE_CALL) == of_edge(
        **{
            "runestone.front": "ws",
            "runestone.status": 200,
            "runestone.model": "whole",
            "runestone.cache": root.attributes["runestone.cache"],
            "runestone.attempts": 1,
            "runestone.why": "only",
            "runestone.cost_usd": pytest.approx(DOLLARS),
            "runestone.stream.chunks": 0,
        }
    )
    assert [seen.attributes for seen in root.find(CALL)] == [rpc(stage, CALL)] * 2


async def test_a_call_over_grpc_goes_on_with_the_trace_of_its_metadata(
    stage: Stage, fake: FakeProvider, trace_id: str
) -> None:
    about = stage.mesh.about["grpc"]
    metadata = (("authorization", f"Bearer {ACME}"), *context(trace_id).items())
    body = json.dumps({"model": "whole", "messages": HELLO}).encode()
    async with grpc.aio.insecure_channel(f"{about['host']}:{about['port']}") as channel:
        asked = GatewayServiceStub(channel).Call(iter([CallRequest(open=Open(body=body))]), metadata=metadata)
        async with asyncio.timeout(10):
            said_last = [message.WhichOneof("message") async for message in asked][-1]
    assert said_last == "completed"
    root = await spans_of(stage, trace_id, CALL, "chat words=5", "audit append")
    assert (root.service, root.name, root.kind) == ("edge", "POST grpc /v1/chat/completions", SERVER)
    assert (root.attributes["runestone.front"], root.attributes["runestone.status"]) == ("grpc", 200)
    assert {one.span.trace_state for one in [root, *root.find(CALL), *root.find("chat words=5")]} == {STATE}


async def test_who_reads_a_stream_on_has_a_trace_of_his_own_that_links_to_the_first(
    stage: Stage, fake: FakeProvider, trace_id: str
) -> None:
    headers = {"authorization": f"Bearer {ACME}"}
    first, second = f"{trace_id[:-1]}a", f"{trace_id[:-1]}b"
    async with aiohttp.ClientSession(stage.mesh.url, headers=headers) as session:
        body = {"model": "whole", "messages": HELLO, "stream": True}
        resumable = {**context(first), "x-runestone-resumable": "1"}
        async with session.post("/v1/chat/completions", json=body, headers=resumable) as answer:
            await answer.read()
            stream_id = answer.headers["x-runestone-stream"]
        async with session.get(f"/v1/streams/{stream_id}", headers=context(second)) as answer:
            assert answer.status == 200
            await answer.read()
    began = await spans_of(stage, first, "chat words=5")
    read_on = await spans_of(stage, second, "GET /v1/streams/{id}")
    assert read_on.links == [(first, began.span.span_id.hex())]
    assert read_on.attributes["runestone.cause"] == stream_id


async def test_spans_tell_neither_texts_nor_secrets_and_whose_process_they_are_of(
    stage: Stage, fake: FakeProvider, trace_id: str
) -> None:
    await ask(stage, trace_id, model="whole", stop=["halt-here"])
    root = await spans_of(stage, trace_id, "chat words=5", "audit append")
    words = (await fake_words(stage)).encode()
    for _, span in list(stage.collector.spans.values()):
        written = span.SerializeToString()
        for secret in (b"a secret", b"halt-here", ACME.encode(), b"upstream-secret", b"api-version", words):
            assert secret not in written, (secret, span)
    (attempt,) = root.find("chat words=5")
    for seen, service in ((root, "runestone-edge"), (attempt, "runestone-provider")):
        resource = seen.resource
        assert resource["service.name"] == service
        assert resource["service.namespace"] == "runestone"
        assert resource["service.version"]
        assert resource["service.instance.id"]
    assert root.resource["service.instance.id"] != attempt.resource["service.instance.id"]


async def fake_words(stage: Stage) -> str:
    """What the provider says."""
    headers = {"authorization": f"Bearer {ACME}"}
    body = {"model": "whole", "messages": HELLO}
    async with (
        aiohttp.ClientSession(stage.mesh.url, headers=headers) as session,
        session.post("/v1/chat/completions", json=body) as answer,
    ):
        text: str = (await answer.json())["choices"][0]["message"]["content"]
        return text
