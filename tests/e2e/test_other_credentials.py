"""Tokens of an issuer whose keys are fetched, and certificates that a trusted proxy names, against a mesh."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from real_mesh import ACME, Mesh, configuration, mesh_running

HELLO = {"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}
KEY = ECKey.generate_key("P-256", {"kid": "2027-01"})
SPIFFE = "URI=spiffe://mesh/other/web"


class Issuer(http.server.BaseHTTPRequestHandler):
    """Publishes its key set."""

    def do_GET(self) -> None:
        document = json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)

    def log_message(self, *_words: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        issuer = {
            "issuer": "https://id.example",
            "audiences": ["runestone"],
            "jwks_url": f"http://127.0.0.1:{server.server_port}/jwks",
            "tenant_claim": "org",
        }
        client = {"uri": "spiffe://mesh/other/*", "tenant": "other", "key": "workloads"}
        edge = configuration(0)["edge"]
        edge["http"] |= {"trusted_proxies": ["127.0.0.0/8"]}
        given = {"jwt": {"issuers": [issuer]}, "mtls": {"clients": [client]}}
        with mesh_running(edge=edge, authentication=given) as running:
            yield running
        server.shutdown()


@pytest.fixture
def ask(mesh: Mesh) -> Iterator[Callable[..., httpx2.Response]]:
    with httpx2.Client(base_url=mesh.url, trust_env=False) as client:
        yield lambda **headers: client.post(
            "/v1/chat/completions",
            json=HELLO,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )


def token(**claims: object) -> str:
    given = {
        "iss": "https://id.example",
        "aud": "runestone",
        "exp": int(time.time()) + 60,
        "org": "acme",
        "sub": "alice",
    }
    return jwt.encode({"alg": "ES256", "kid": KEY.kid}, given | claims, KEY)


def test_a_token_calls_for_the_tenant_that_its_issuer_names(ask: Callable[..., httpx2.Response], mesh: Mesh) -> None:
    answer = ask(authorization=f"Bearer {token()}")
    assert answer.status_code == 200
    record = mesh.audit(answer.headers["x-request-id"])
    assert (record.tenant, record.key) == ("acme", "alice")


@pytest.mark.parametrize(("claims", "code"), [({"exp": 1}, "expired_token"), ({"org": "nobody"}, "invalid_token")])
def test_a_token_that_is_no_good_is_refused_with_the_reason(
    ask: Callable[..., httpx2.Response], claims: dict[str, object], code: str
) -> None:
    answer = ask(authorization=f"Bearer {token(**claims)}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)


def test_a_certificate_calls_for_whom_it_is_configured(ask: Callable[..., httpx2.Response], mesh: Mesh) -> None:
    answer = ask(x_forwarded_client_cert=SPIFFE)
    assert answer.status_code == 200
    record = mesh.audit(answer.headers["x-request-id"])
    assert (record.tenant, record.key) == ("other", "workloads")


def test_keys_go_on_working_beside_them_and_nothing_beside_two(ask: Callable[..., httpx2.Response]) -> None:
    assert ask(authorization=f"Bearer {ACME}").status_code == 200
    answer = ask(authorization=f"Bearer {ACME}", x_forwarded_client_cert=SPIFFE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ambiguous_credentials")
