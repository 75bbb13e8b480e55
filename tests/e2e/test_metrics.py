"""What operators scrape of a whole mesh: all of it on the page about metrics, with exemplars, and bounded whatever clients send; and what one
line of the log says of a call."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import pytest_asyncio
from channel_client import RefusedError, connected
from fake_provider import FakeProvider
from otlp_collector import collecting
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from real_mesh import ACME, OTHER, Mesh, mesh_running

from contract.metric_table import PAGE

HELLO = [{"role": "user", "content": "Hello"}]
OPEN = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
SUFFIXES = re.compile(r"_(bucket|count|sum|created)$")


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with collecting() as (_, endpoint):
        telemetry = {"otlp_endpoint": endpoint, "sample_ratio": 0, "tenant_labels": 1}
        with mesh_running(telemetry=telemetry) as running:
            yield running


@pytest_asyncio.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=mesh.fake_port) as provider:
        yield provider


@pytest_asyncio.fixture
async def client(mesh: Mesh) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(mesh.url, headers={"authorization": f"Bearer {ACME}"}) as session:
        yield session


async def scrape(mesh: Mesh, **headers: str) -> tuple[str, str]:
    """The kind of the answer, and its text."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{mesh.admin_url}/metrics", headers=headers) as answer,
    ):
        assert answer.status == 200
        return answer.headers["content-type"], await answer.text()


async def ask(client: aiohttp.ClientSession, **sent: object) -> str:
    """Asks the simulated model; the call's id."""
    async with client.post(
        "/v1/chat/completions", json={"model": "simulated", "messages": HELLO, "stream": True}, **sent
    ) as answer:
        assert answer.status == 200
        await answer.read()
        return answer.headers["x-request-id"]


async def test_all_that_a_running_mesh_shows_is_on_the_page(mesh: Mesh, client: aiohttp.ClientSession) -> None:
    await ask(client)
    _, text = await scrape(mesh)
    shown = {SUFFIXES.sub("", sample.name) for family in read_text(text) for sample in family.samples}
    page = set(re.findall(r"^\| `([a-z0-9_]+)`", PAGE.read_text(), re.MULTILINE))
    assert len(shown) > 100
    assert shown - page == set()


async def test_a_sampled_call_is_the_exemplar_of_how_long_it_took_at_each_hop(
    mesh: Mesh, client: aiohttp.ClientSession
) -> None:
    """For those who ask for OpenMetrics; the others get the numbers alone."""
    await ask(client)
    await ask(client, headers=TRACED)
    kind, text = await scrape(mesh, **OPEN)
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    exemplified = {
        (sample.labels["service"], family.name)
        for family in read_open_metrics(text)
        for sample in family.samples
        if sample.exemplar is not None and sample.exemplar.labels["trace_id"] == TRACE
    }
    assert exemplified >= {
        ("edge", "runestone_call_seconds"),
        ("edge", "runestone_call_first_byte_seconds"),
        ("edge", "runestone_tenant_call_seconds"),
        ("edge", "runestone_rpc_client_seconds"),
        ("edge", "gen_ai_server_request_duration_seconds"),
        ("edge", "gen_ai_server_time_to_first_token_seconds"),
        ("provider", "runestone_rpc_server_seconds"),
        ("provider", "runestone_upstream_call_seconds"),
        ("provider", "gen_ai_client_operation_duration_seconds"),
    }
    kind, text = await scrape(mesh)
    assert kind.startswith("text/plain; version=0.0.4")
    assert "trace_id" not in text


def series_of(text: str) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Every label set, once for all buckets of a histogram."""
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in read_text(text)
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_sum"))
    }


async def be_hostile(mesh: Mesh, client: aiohttp.ClientSession, mark: str) -> None:
    """Sends what might become a label: models, paths, methods, endpoints, keys, pipelines, ids, topics, headers, each new."""
    for number in range(12):
        name = f"{mark}{number}"
        chat = {"model": f"fake/words=1,{name}", "messages": HELLO}
        requests = [
            ("POST", "/v1/chat/completions", {"json": chat}),
            ("POST", "/v1/chat/completions", {"json": {**chat, "model": f"fake/status=500,{name}"}}),
            ("POST", "/v1/chat/completions", {"json": {**chat, "model": name}}),
            ("POST", "/v1/chat/completions", {"json": {**chat, "model": f"{name}/x"}}),
            ("POST", "/v1/chat/completions", {"json": chat, "headers": {"x-runestone-pipeline": name}}),
            ("POST", "/v1/chat/completions", {"json": chat, "headers": {"authorization": f"Bearer {name}"}}),
            ("POST", "/v1/chat/completions", {"json": chat, "headers": {"x-runestone-tags": name}}),
            ("POST", f"/openai/deployments/{name}/chat/completions", {"json": chat}),
            ("GET", f"/v1/streams/{name}", {}),
            ("GET", f"/v1/models/{name}", {}),
            ("GET", f"/{name}", {}),
            (name.upper(), "/v1/chat/completions", {}),
        ]
        for method, path, sent in requests:
            async with client.request(method, path, **sent) as answer:
                await answer.read()
    async with connected(mesh.about["http"]["port"], ACME) as channel:
        for topic in (f"session:{mark}", f"room:{mark}", mark):
            try:
                await channel.join(topic)
            except RefusedError:
                continue


async def test_no_name_that_a_client_chooses_becomes_a_label_or_makes_series(
    mesh: Mesh, client: aiohttp.ClientSession, fake: FakeProvider
) -> None:
    mark = "zz" + secrets.token_hex(4)
    await be_hostile(mesh, client, f"{mark}a")
    before = series_of((await scrape(mesh))[1])
    for letter in "bcd":
        await be_hostile(mesh, client, f"{mark}{letter}")
    _, text = await scrape(mesh)
    assert mark not in text.lower()
    more = series_of(text) - before
    assert len(more) < 12, more  # of 432 calls with names of their own: what the first wave was too early to see


async def test_tenants_beyond_the_configured_number_are_counted_together(
    mesh: Mesh, client: aiohttp.ClientSession
) -> None:
    await ask(client)
    await ask(client, headers={"authorization": f"Bearer {OTHER}"})
    _, text = await scrape(mesh)
    tenants = {labels["tenant"] for _, pairs in series_of(text) if "tenant" in (labels := dict(pairs))}
    assert tenants == {"acme", "_other"}


async def test_each_call_is_one_line_of_json_that_names_its_request_and_its_trace(
    mesh: Mesh, client: aiohttp.ClientSession
) -> None:
    request_id = await ask(client, headers=TRACED)
    deadline = asyncio.get_running_loop().time() + 10
    while not (lines := [line for line in mesh.log.read_text().splitlines() if request_id in line]):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    (line,) = lines
    said = json.loads(line)
    assert said["request_id"] == request_id
    assert said["trace_id"] == TRACE
    expected = {
        "event": "call",
        "level": "info",
        "service": "edge",
        "endpoint": "/v1/chat/completions",
        "status": 200,
        "reason": None,
        "tenant": "acme",
        "model": "simulated",
        "provider": "sim",
    }
    assert {name: said[name] for name in expected} == expected
    assert {"cache", "ms", "bytes", "version", "timestamp"} <= said.keys()
