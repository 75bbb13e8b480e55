"""The example that signs requests, with the official SDK, against a mesh of two edges that share their nonces."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from real_mesh import ACME, Mesh, configuration, mesh_running

EXAMPLE = Path(__file__).parents[2] / "docs/examples/signing/signing.py"
HELLO = [{"role": "user", "content": "Hello, who are you?"}]
SECRET = "a-shared-secret-of-forty-characters-long"
PRIVATE = Ed25519PrivateKey.generate()
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    signers = [
        {"keyid": "acme-ci", "algorithm": "ed25519", "public_key": PUBLIC_PEM, "tenant": "acme", "key": "ci"},
        {"keyid": "acme-old", "algorithm": "hmac-sha256", "secret": SECRET, "tenant": "acme"},
    ]
    edge = configuration(0)["edge"] | {"workers": 2}
    with mesh_running(edge=edge, authentication={"signatures": {"signers": signers}}) as running:
        yield running


@pytest.fixture(scope="module")
def signing() -> Any:
    """The example, as somebody would copy it."""
    spec = importlib.util.spec_from_file_location("signing", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["ed25519", "hmac"])
def auth(request: pytest.FixtureRequest, signing: Any) -> Any:
    if request.param == "ed25519":
        return signing.SignedRequests.ed25519("acme-ci", PRIVATE_PEM)
    return signing.SignedRequests.hmac("acme-old", SECRET)


@pytest.fixture
def client(mesh: Mesh, auth: Any) -> Iterator[openai.OpenAI]:
    http = httpx2.Client(auth=auth, trust_env=False)
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key="unused", http_client=http, max_retries=0) as client:
        yield client


def test_the_sdk_signs_what_it_sends(client: openai.OpenAI, mesh: Mesh) -> None:
    raw = client.chat.completions.with_raw_response.create(model="simulated", messages=HELLO)
    assert raw.parse().choices[0].message.content
    record = mesh.audit(raw.headers["x-request-id"])
    assert (record.tenant, record.key) in {("acme", "ci"), ("acme", "acme-old")}


def test_streams_lists_and_single_models_are_signed_as_well(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="simulated", messages=HELLO, stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "simulated" in [model.id for model in client.models.list()]
    assert client.models.retrieve("sim/a model").id == "sim/a model"


def test_headers_that_steer_a_call_are_signed_with_it(client: openai.OpenAI) -> None:
    steer = {"idempotency-key": "k-1", "X-Runestone-Timeout-Ms": "9000"}
    assert client.chat.completions.create(model="simulated", messages=HELLO, extra_headers=steer).choices


@pytest.fixture
def capture(mesh: Mesh, auth: Any) -> Callable[[], httpx2.Request]:
    """A signed request that has not been sent."""

    def make() -> httpx2.Request:
        body = {"model": "simulated", "messages": HELLO}
        request = httpx2.Request("POST", f"{mesh.url}/v1/chat/completions?x=1", json=body)
        return next(auth.auth_flow(request))

    return make


def test_a_request_is_answered_once_whichever_worker_it_meets(capture: Callable[[], httpx2.Request]) -> None:
    request = capture()
    statuses = []
    for _ in range(8):
        with httpx2.Client(trust_env=False) as http:  # a connection of its own: the kernel picks the worker
            answer = http.send(request)
            statuses.append(answer.status_code)
    assert statuses == [200] + [401] * 7
    assert answer.json()["error"]["code"] == "replayed_request"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"headers": {"x-runestone-pipeline": "admin"}}, 401),
        ({"content": b'{"model": "claude", "messages": []}'}, 401),
        ({"method": "PUT"}, 404),
        ({"headers": {"x-api-key": ACME}}, 401),
        ({"headers": {"x-harmless": "1"}}, 200),
    ],
)
def test_what_happens_to_a_request_on_its_way_is_noticed(
    capture: Callable[[], httpx2.Request], change: dict[str, Any], status: int
) -> None:
    request = capture()
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    altered = httpx2.Request(
        change.get("method", request.method),
        request.url,
        headers=headers | change.get("headers", {}),
        content=change.get("content", request.content),
    )
    with httpx2.Client(trust_env=False) as http:
        assert http.send(altered).status_code == status


def test_nothing_of_a_signature_stands_in_the_log(capture: Callable[[], httpx2.Request], mesh: Mesh) -> None:
    request = capture()
    with httpx2.Client(trust_env=False) as http:
        http.send(request)
        http.send(request)
    log = mesh.log.read_text()
    assert request.headers["signature"][5:-1] not in log
    assert SECRET not in log
