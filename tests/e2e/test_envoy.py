"""Clients in front of a real Envoy, as they are in front of an edge: TLS, HTTP/2, streams event by event, WebSockets, gRPC."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import h2.connection
import h2.events
import h2.settings
import httpx
import pytest
import websockets
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from fake_provider import FakeProvider
from real_mesh import ACME, OTHER

import runestone_client
import runestone_client.grpc
from chassis.sse import find_ends

pytestmark = pytest.mark.timeout(120)  # a mesh behind Envoy takes its time to come up beside others
PATIENCE = 30.0
NEAR, FAR, HERE = "127.0.0.2", "127.0.0.3", "127.0.0.1"  # addresses of this machine, as clients have them
CANARY = "canary-in-the-coal-mine"
TENANTS = [
    {"name": "acme", "keys": [{"name": "ci", "secret": ACME}]},
    {"name": "other", "keys": [{"name": "near", "secret": OTHER, "scopes": {"addresses": [f"{NEAR}/32"]}}]},
]


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    with envoy_mesh_running("--replicas", "1", tenants=TENANTS) as running:
        yield running


@pytest.fixture
async def fake(mesh: EnvoyMesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=mesh.fake_port) as provider:
        yield provider


def reach(mesh: EnvoyMesh, *, key: str = ACME, http2: bool = True, address: str | None = None) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(
        verify=ssl.create_default_context(cafile=mesh.ca), http1=not http2, http2=http2, local_address=address
    )
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=mesh.url, transport=transport, headers=headers, timeout=PATIENCE)


def ask(wish: str, **more: object) -> dict[str, object]:
    return {"model": f"fake/{wish}", "messages": [{"role": "user", "content": "hi"}], **more}


async def test_a_call_is_answered_over_http_2_and_envoy_says_nothing_of_itself(
    mesh: EnvoyMesh, fake: FakeProvider
) -> None:
    async with reach(mesh) as client:
        answer = await client.post("/v1/chat/completions", json=ask("say=all is well"))
    assert answer.http_version == "HTTP/2"
    assert answer.json()["choices"][0]["message"]["content"] == "all is well"
    assert answer.headers["x-request-id"].startswith("req_")
    assert not [name for name in answer.headers if name.startswith("x-envoy") or name == "server"]


SDKS = {
    "openai": """
import openai
client = openai.OpenAI(max_retries=0)
whole = client.chat.completions.create(model="fake/words=7", messages=[{"role": "user", "content": "hi"}])
stream = client.chat.completions.create(model="fake/words=7", messages=[{"role": "user", "content": "hi"}], stream=True)
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
print(whole.choices[0].message.content, "|", streamed)
""",
    "anthropic": """
import anthropic
client = anthropic.Anthropic(max_retries=0)
asked = dict(model="claude/words=7", max_tokens=100, messages=[{"role": "user", "content": "hi"}])
whole = client.messages.create(**asked)
with client.messages.stream(**asked) as stream:
    streamed = "".join(stream.text_stream)
print(whole.content[0].text, "|", streamed)
""",
}


@pytest.mark.parametrize("sdk", list(SDKS))
async def test_official_sdks_reach_it_through_tls_by_their_environment_alone(
    mesh: EnvoyMesh, fake: FakeProvider, sdk: str
) -> None:
    """As `make mesh` says it: the authority in SSL_CERT_FILE, the address and the key where the SDK looks for them."""
    environment = os.environ | {
        "SSL_CERT_FILE": mesh.ca,
        "OPENAI_BASE_URL": f"{mesh.url}/v1",
        "OPENAI_API_KEY": ACME,
        "ANTHROPIC_BASE_URL": mesh.url,
        "ANTHROPIC_API_KEY": ACME,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SDKS[sdk], env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]
    whole, _, streamed = output.decode().partition("|")
    assert whole.split() == streamed.split()
    assert len(whole.split()) == 7


async def test_a_certificate_is_asked_for_by_name(mesh: EnvoyMesh) -> None:
    """Who does not trust the authority gets nothing."""
    with pytest.raises(httpx.ConnectError, match="certificate"):
        async with httpx.AsyncClient(base_url=mesh.url) as client:
            await client.get("/v1/models")


@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "http/2"])
async def test_events_are_not_held_back(mesh: EnvoyMesh, fake: FakeProvider, http2: bool) -> None:
    """The provider says one event and nothing more until this test has read it."""
    async with reach(mesh, http2=http2) as client:
        body = ask("hang=body", stream=True)
        async with asyncio.timeout(PATIENCE), client.stream("POST", "/v1/chat/completions", json=body) as answer:
            got = b""
            async for piece in answer.aiter_raw():
                got += piece
                if find_ends(got):
                    break
            exchange = await fake.exchange()
            assert b'"role":"assistant"' in got
            assert b"error" not in got
            assert not exchange.over.is_set()


@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "http/2"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_closes_the_providers_socket(
    mesh: EnvoyMesh, fake: FakeProvider, http2: bool, stream: bool
) -> None:
    async with reach(mesh, http2=http2) as client:
        body = ask("words=5000,pace=10ms" if stream else "hang=headers", stream=stream)
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=body))
        exchange = await fake.exchange()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await exchange.wait_closed()


async def test_no_timeout_of_envoys_own_ends_a_silent_stream(mesh: EnvoyMesh) -> None:
    """Envoy's defaults, 15 s for a route and 5 minutes without a byte, are out of force; the edges have deadlines of their own."""
    async with httpx.AsyncClient(base_url=mesh.envoy_url) as envoy:
        dump = (await envoy.get("/config_dump")).json()
    managers = [found for found in walk(dump) if "stream_idle_timeout" in found]
    routes = [found for found in walk(dump) if "cluster" in found and "retry_policy" in found]
    assert {manager["stat_prefix"] for manager in managers} == {"tls", "plain", "grpc"}
    assert {
        found for manager in managers for found in (manager["stream_idle_timeout"], manager["request_timeout"])
    } == {"0s"}
    assert len(routes) > 10
    assert {route["timeout"] for route in routes} == {"0s"}


def walk(document: object) -> Iterator[dict[str, object]]:
    """Every object in a document."""
    if isinstance(document, dict):
        yield document
    for value in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from walk(value)


async def test_an_edge_knows_the_clients_address_and_no_claim_of_it(mesh: EnvoyMesh) -> None:
    """Envoy appends the address that it sees; what a client writes of another one, in whichever header, does not count."""
    claims = ["x-forwarded-for", "forwarded", "x-real-ip", "x-envoy-external-address", "x-client-ip"]
    async with reach(mesh, key=OTHER, address=NEAR) as near, reach(mesh, key=OTHER, address=FAR) as far:
        assert (await near.get("/v1/models")).status_code == 200
        assert (await near.get("/v1/models", headers={"x-forwarded-for": FAR})).status_code == 200
        statuses = {
            claim: (
                await far.get("/v1/models", headers={claim: f"for={NEAR}" if claim == "forwarded" else NEAR})
            ).status_code
            for claim in claims
        }
    assert statuses == dict.fromkeys(claims, 403)


async def test_a_client_cannot_steer_envoy(mesh: EnvoyMesh, fake: FakeProvider) -> None:
    """Its headers would set timeouts and retries, if they were believed."""
    steering = {
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-upstream-rq-per-try-timeout-ms": "1",
        "x-envoy-retry-on": "5xx",
        "x-envoy-max-retries": "5",
    }
    async with reach(mesh) as client:
        answer = await client.post("/v1/chat/completions", json=ask("latency=100ms,words=3"), headers=steering)
        failed = await client.post("/v1/chat/completions", json=ask("status=500"), headers=steering)
    assert (answer.status_code, failed.status_code) == (200, 502)
    assert fake.requests == 2


async def test_what_is_too_large_is_said_as_an_edge_says_it(mesh: EnvoyMesh) -> None:
    async with reach(mesh, http2=False) as client:
        body = await client.post("/v1/chat/completions", json=ask("words=3", padding="x" * (2 << 20)))
        many = await client.get("/v1/models", headers=[(f"x-{number}", "1") for number in range(120)])
    assert (body.status_code, body.json()["error"]["code"]) == (413, "body_too_large")
    assert (many.status_code, many.json()["error"]["type"]) == (431, "invalid_request_error")


async def test_a_body_that_is_too_large_is_answered_over_http_2_before_it_is_sent(mesh: EnvoyMesh) -> None:
    """Whole, and the stream is reset without an error (RFC 9113, section 8.1): httpx would go on waiting to send."""
    head = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        (":scheme", "https"),
        (":authority", "localhost"),
        ("authorization", f"Bearer {ACME}"),
        ("content-type", "application/json"),
        ("content-length", str(2 << 20)),
    ]
    async with asyncio.timeout(PATIENCE):
        events = await ask_in_frames(mesh, head, until=h2.events.StreamReset)
    (answer,) = [event for event in events if isinstance(event, h2.events.ResponseReceived)]
    said = b"".join(event.data for event in events if isinstance(event, h2.events.DataReceived))
    assert dict(answer.headers)[b":status"] == b"413"
    assert json.loads(said)["error"]["code"] == "body_too_large"
    assert events[-1].error_code == 0


async def ask_in_frames(mesh: EnvoyMesh, head: list[tuple[str, str]], *, until: type[object]) -> list[Any]:
    """Sends a request's head and no more; every event up to the first of the kind `until`."""
    trust = ssl.create_default_context(cafile=mesh.ca)
    trust.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("localhost", mesh.about["https"]["port"], ssl=trust)
    connection, events = h2.connection.H2Connection(), list[Any]()
    try:
        connection.initiate_connection()
        connection.send_headers(1, head)
        while not any(isinstance(event, until) for event in events):
            writer.write(connection.data_to_send())
            received = await reader.read(1 << 16)
            assert received, events
            events += connection.receive_data(received)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return events


async def test_large_headers_and_ambiguous_names_are_refused_in_openais_shape(mesh: EnvoyMesh) -> None:
    async with reach(mesh, http2=False) as client:
        large = await client.get("/v1/models", headers={"x-large": "x" * (62 << 10)})
        named = await client.get("/v1/models", headers={"x_forwarded_for": "1"})
    assert (large.status_code, large.json()["error"]["code"]) == (431, "headers_too_large")
    assert (named.status_code, named.json()["error"]["type"]) == (400, "invalid_request_error")
    assert (large.headers["x-should-retry"], named.headers["x-should-retry"]) == ("false", "false")


async def test_bodies_of_any_size_pass_whole(mesh: EnvoyMesh, fake: FakeProvider) -> None:
    """Larger than any buffer of Envoy's."""
    content = "".join(f"{number} " for number in range(120_000))
    async with reach(mesh) as client:
        answer = await client.post(
            "/v1/chat/completions", json=ask("words=30000") | {"messages": [{"role": "user", "content": content}]}
        )
    assert (await fake.exchange()).document["messages"][0]["content"] == content
    assert len(answer.json()["choices"][0]["message"]["content"].split()) == 30_000


async def test_the_access_log_names_our_request_and_holds_no_secret(mesh: EnvoyMesh, fake: FakeProvider) -> None:
    headers = {"x-api-key": CANARY, "cookie": CANARY, "referer": f"https://a.example/?{CANARY}", "user-agent": CANARY}
    async with reach(mesh) as client:
        answer = await client.post("/v1/chat/completions", params={"api_key": CANARY}, json=ask("words=3", user=CANARY))
        await client.get(f"/v1/models?token={CANARY}", headers=headers)
        await client.get("/v1/models", params={"api_key": CANARY}, headers={"authorization": f"Bearer {CANARY}"})
    (row,) = mesh.access_log(answer.headers["x-request-id"])
    edges = {f"{HERE}:{part['ports']['http']}" for part in mesh.parts().values() if part["service"] == "edge"}
    assert (row["path"], row["status"], row["client"], row["listener"]) == ("/v1/chat/completions", 200, HERE, "tls")
    assert row["upstream"] in edges
    assert mesh.audit(answer.headers["x-request-id"]).status == 200
    wait_for_lines(mesh, "/v1/models", 2)
    for file in (mesh.data_dir / "mesh" / "access.log", mesh.log):
        assert CANARY not in file.read_text()
        assert ACME not in file.read_text()


def wait_for_lines(mesh: EnvoyMesh, path: str, count: int) -> None:
    """Envoy writes its log a moment later."""
    answered = httpx.get(f"{mesh.plain_url}/v1/models", headers={"authorization": f"Bearer {ACME}"})
    mesh.access_log(answered.headers["x-request-id"])
    assert len([row for row in mesh.access_log() if row.get("path") == path]) > count


async def test_a_websocket_speaks_phoenix_through_tls(mesh: EnvoyMesh, fake: FakeProvider) -> None:
    trust = ssl.create_default_context(cafile=mesh.ca)
    url = f"wss{mesh.url.removeprefix('https')}/socket/websocket?vsn=2.0.0&api_key={ACME}"
    async with asyncio.timeout(PATIENCE), websockets.connect(url, ssl=trust) as line:
        await line.send(json.dumps(["1", "1", "session:s", "phx_join", {}]))
        events = [json.loads(await line.recv())[3]]
        await line.send(json.dumps(["1", "2", "session:s", "chat:stream", {"request": ask("words=5")}]))
        while events[-1] not in ("stream:complete", "stream:error"):
            events.append(json.loads(await line.recv())[3])
    assert events[0] == "phx_reply"
    assert events[-1] == "stream:complete"
    assert events.count("stream:chunk") >= 5


async def test_browsers_are_not_told_to_open_websockets_on_http_2(mesh: EnvoyMesh) -> None:
    """There they send no `sec-websocket-key` (RFC 8441, section 5), which Envoy does not make up for an edge: it would be refused."""
    head = [(":method", "GET"), (":path", "/v1/models"), (":scheme", "https"), (":authority", "localhost")]
    async with asyncio.timeout(PATIENCE):
        events = await ask_in_frames(mesh, head, until=h2.events.RemoteSettingsChanged)
    (settings,) = [event for event in events if isinstance(event, h2.events.RemoteSettingsChanged)]
    said = {code: changed.new_value for code, changed in settings.changed_settings.items()}
    assert said[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] == 100
    assert said.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL, 0) == 0


async def test_large_headers_reset_their_stream_on_http_2_and_the_connection_lives(mesh: EnvoyMesh) -> None:
    names = [(":method", "GET"), (":path", "/v1/models"), (":scheme", "https"), (":authority", "localhost")]
    async with asyncio.timeout(PATIENCE):
        events = await ask_in_frames(mesh, [*names, ("x-large", "x" * (62 << 10))], until=h2.events.StreamReset)
    assert not [event for event in events if isinstance(event, h2.events.ConnectionTerminated)]


async def test_our_own_client_reads_a_stream_through_it(mesh: EnvoyMesh, fake: FakeProvider) -> None:
    async with runestone_client.connect(mesh.plain_url, ACME) as client, client.session() as session:
        stream = await session.stream(ask("words=5"))
        assert len("".join([chunk.text async for chunk in stream]).split()) == 5


@pytest.mark.parametrize("front", ["tls", "inner"])
async def test_the_grpc_door_is_reached_through_it(mesh: EnvoyMesh, fake: FakeProvider, front: str) -> None:
    address, credentials = mesh.grpc_target, None
    if front == "tls":
        address = f"localhost:{mesh.about['https']['port']}"
        credentials = grpc.ssl_channel_credentials(read(mesh.ca))
    async with runestone_client.grpc.connect(address, ACME, credentials=credentials) as client:
        async with asyncio.timeout(PATIENCE), await client.stream(ask("words=5")) as call:
            text = "".join([chunk.text async for chunk in call])
        with pytest.raises(runestone_client.NotFoundError):
            await client.ask({"model": "none/such", "messages": [{"role": "user", "content": "?"}]})
    assert len(text.split()) == 5


def read(path: str) -> bytes:
    return Path(path).read_bytes()
