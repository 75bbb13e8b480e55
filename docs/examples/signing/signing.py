"""Signs what a client sends to Runestone (RFC 9421): an `httpx2.Auth` for httpx2 and the SDKs that stand on it.

    auth = SignedRequests.ed25519("acme-ci", Path("acme-ci.pem").read_bytes())
    client = openai.OpenAI(base_url=..., api_key="unused", http_client=httpx2.Client(auth=auth, timeout=600))

Every request is signed anew, also one that the SDK sends again: a nonce is good once.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Generator
from typing import Self, cast

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import load_pem_private_key

KEYS = ("authorization", "x-api-key", "api-key")  # a request carries one kind of credentials
STEERING = ("x-runestone-", "idempotency-key")  # headers that must be covered when they are there


class SignedRequests(httpx2.Auth):
    """Signs with `sign`, whose key the gateway knows as `keyid`."""

    requires_request_body = True

    def __init__(self, keyid: str, sign: Callable[[bytes], bytes]) -> None:
        self._keyid = keyid
        self._sign = sign

    @classmethod
    def ed25519(cls, keyid: str, private_key: bytes) -> Self:
        """Signs with a private key in PEM (`openssl genpkey -algorithm ed25519`)."""
        return cls(keyid, cast("Ed25519PrivateKey", load_pem_private_key(private_key, None)).sign)

    @classmethod
    def hmac(cls, keyid: str, secret: str) -> Self:
        """Signs with a secret that the gateway has, too."""

        def sign(base: bytes) -> bytes:
            mac = HMAC(secret.encode(), SHA256())
            mac.update(base)
            return mac.finalize()

        return cls(keyid, sign)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Puts the signature on the request."""
        for name in KEYS:
            request.headers.pop(name, None)
        request.headers["content-digest"] = f"sha-256={_bytes(hashlib.sha256(request.content).digest())}"
        path, _, query = request.url.raw_path.decode().partition("?")
        steering = [name.lower() for name in request.headers if name.lower().startswith(STEERING)]
        covered = {
            "@method": request.method,
            "@authority": request.headers["host"].lower(),
            "@path": path,
            "@query": f"?{query}",
            **{name: request.headers[name] for name in ("content-digest", *steering)},
        }
        names = " ".join(f'"{name}"' for name in covered)
        nonce = secrets.token_urlsafe(24)
        parameters = f'({names});created={int(time.time())};nonce="{nonce}";keyid="{self._keyid}"'
        lines = [f'"{name}": {value}' for name, value in covered.items()]
        base = "\n".join([*lines, f'"@signature-params": {parameters}'])
        request.headers["signature-input"] = f"sig={parameters}"
        request.headers["signature"] = f"sig={_bytes(self._sign(base.encode()))}"
        yield request


def _bytes(value: bytes) -> str:
    """A byte sequence as structured fields write it (RFC 9651)."""
    return f":{base64.b64encode(value).decode()}:"
