"""`runestone mesh --tls`: the real services behind the real Envoy, each with a certificate of its own."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from envoy_mesh import EnvoyMesh, envoy_mesh_running
from real_mesh import ACME

from runestone.audit.v1.audit_pb2 import SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub
from runestone.target.v1.target_pb2 import ListTargetsRequest
from runestone.target.v1.target_pb2_grpc import TargetServiceStub

pytestmark = pytest.mark.timeout(240)
MOST = 5  # calls from one address
LIMIT = {"unit": "hour", "requests_per_unit": MOST}
DOMAINS = [{"domain": "runestone-edge", "descriptors": [{"key": "remote_address", "rate_limit": LIMIT}]}]
LETS_ENVOY_ASK = [{"name": "envoy", "may": ["/runestone.target.v1.TargetService/ListTargets"]}]


@pytest.fixture(scope="module")
def mesh() -> Iterator[EnvoyMesh]:
    sections = {"ratelimit": {"domains": DOMAINS}, "mesh": {"callers": LETS_ENVOY_ASK}}
    with envoy_mesh_running("--tls", "--edges", "1", "--replicas", "1", "--no-postgres", **sections) as running:
        yield running


def open_channel(mesh: EnvoyMesh, whose: str | None, *, port: str = "", callee: str = "envoy") -> grpc.Channel:
    """With a certificate of `whose`, or with none."""
    folder = mesh.data_dir / "mesh" / "certificates"
    pair = [read(folder, whose, name) for name in ("tls.key", "tls.crt")] if whose else [None, None]
    own = grpc.ssl_channel_credentials(read(folder, "operator", "ca.crt"), *pair)
    options = [("grpc.ssl_target_name_override", f"{callee}.runestone.local")]
    return grpc.secure_channel(port or mesh.grpc_target, own, options)


def read(folder: Path, whose: str, name: str) -> bytes:
    return (folder / whose / name).read_bytes()


def test_envoy_reaches_edges_and_the_limiter(mesh: EnvoyMesh) -> None:
    """Calls come through, and are counted. On a busy machine some may pass uncounted: Envoy waits for 0.1 s only."""
    body = {"model": "sim/words=2", "messages": [{"role": "user", "content": "hi"}]}
    codes: list[int] = []
    with httpx.Client(base_url=mesh.plain_url, headers={"authorization": f"Bearer {ACME}"}) as client:
        while len(codes) < 20 * MOST and 429 not in codes:
            codes.append(client.post("/v1/chat/completions", json=body, timeout=30).status_code)
    assert codes[:MOST] == [200] * MOST
    assert codes[-1] == 429


def test_a_caller_with_a_certificate_is_passed_on_to_what_envoy_may_call(mesh: EnvoyMesh) -> None:
    with open_channel(mesh, "operator") as channel:
        assert TargetServiceStub(channel).ListTargets(ListTargetsRequest(), timeout=10).targets
        with pytest.raises(grpc.RpcError) as refused:
            AuditServiceStub(channel).Search(SearchRequest(page_size=1), timeout=10)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_caller_without_a_certificate_gets_nowhere(mesh: EnvoyMesh) -> None:
    """Neither in the clear nor over TLS, neither through Envoy nor past it."""
    provider = mesh.about["services"]["provider"]
    channels = [
        open_channel(mesh, None),
        open_channel(mesh, None, port=provider, callee="provider"),
        grpc.insecure_channel(mesh.grpc_target),
        grpc.insecure_channel(provider),
    ]
    for channel in channels:
        with channel, pytest.raises(grpc.RpcError) as refused:
            TargetServiceStub(channel).ListTargets(ListTargetsRequest(), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_edge_answers_nobody_but_who_has_a_certificate(mesh: EnvoyMesh) -> None:
    port = mesh.parts()["edge-0"]["ports"]["http"]
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=10)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"https://127.0.0.1:{port}/v1/models", verify=False, timeout=10)


def test_commands_show_the_operators_certificate(mesh: EnvoyMesh) -> None:
    assert mesh.command("targets")
    mesh.command("audit", "search")
    assert all(part["ready"] for part in mesh.parts().values())
