"""Clients in front of a real Envoy: official SDKs through TLS, HTTP/2, streams event by event, and what Envoy says itself."""

import ssl
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from fake_provider import FakeProvider
from real_mesh import ACME

pytestmark = pytest.mark.timeout(120)  # a mesh behind Envoy takes its time to come up beside others
AUTH = {"authorization": f"Bearer {ACME}"}


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    with envoy_mesh_running() as running:
        yield running


@pytest.fixture
async def fake(mesh: EnvoyMesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=mesh.fake_port) as provider:
        yield provider


def trust(mesh: EnvoyMesh) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=mesh.ca)


def ask(wish: str, **more: object) -> dict[str, object]:
    return {"model": f"fake/{wish}", "messages": [{"role": "user", "content": "hi"}], **more}


async def test_a_call_is_answered_over_http_2(mesh: EnvoyMesh, fake: FakeProvider) -> None:
    async with httpx.AsyncClient(base_url=mesh.url, verify=trust(mesh), http2=True, headers=AUTH) as client:
        answer = await client.post("/v1/chat/completions", json=ask("say=all is well"))
    assert answer.http_version == "HTTP/2"
    assert answer.json()["choices"][0]["message"]["content"] == "all is well"
    assert answer.headers["x-request-id"].startswith("req_")
    assert not [name for name in answer.headers if name.startswith("x-envoy") or name == "server"]
