"""Who comes too often is stopped by Envoy, which asks ratelimit-svc: one limit for all Envoys, all edges, all replicas of the limiter."""

import ssl
from collections.abc import Iterator

import httpx
import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from real_mesh import ACME

pytestmark = pytest.mark.timeout(180)
ALLOWED = 5
NEAR, FAR = "127.0.0.2", "127.0.0.3"
DOMAIN = {
    "domain": "runestone-edge",
    "response_headers": True,
    "descriptors": [{"key": "remote_address", "rate_limit": {"unit": "hour", "requests_per_unit": ALLOWED}}],
}


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    with envoy_mesh_running("--edges", "1", "--replicas", "2", ratelimit={"domains": [DOMAIN]}) as running:
        yield running


def ask(mesh: EnvoyMesh, address: str, times: int) -> list[httpx.Response]:
    trust = ssl.create_default_context(cafile=mesh.ca)
    transport = httpx.HTTPTransport(verify=trust, http2=True, local_address=address)
    headers = {"authorization": f"Bearer {ACME}"}
    with httpx.Client(base_url=mesh.url, transport=transport, headers=headers, timeout=20) as client:
        return [client.get("/v1/models") for _ in range(times)]


def test_an_address_has_its_limit_whoever_is_asked_and_another_address_its_own(mesh: EnvoyMesh) -> None:
    limiters = [part for part in mesh.parts().values() if part["service"] == "ratelimit"]
    near, far = ask(mesh, NEAR, ALLOWED + 4), ask(mesh, FAR, 1)
    refused = near[-1]
    assert [answer.status_code for answer in near] == [200] * ALLOWED + [429] * 4
    assert [answer.status_code for answer in far] == [200]
    assert refused.json()["error"] | {"message": ""} == {
        "message": "",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert refused.headers["x-should-retry"] == "true"
    assert 1 < int(refused.headers["retry-after"]) <= 3600, "as ratelimit-svc says it, not as Envoy would"
    assert len(limiters) in (1, 2), "one where there is no Redis"
