"""Requests as they arrive, signed by another implementation of RFC 9421 than the one under test."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, algorithms
from msgspec.structs import replace as with_fields

from chassis.config.schema import Key, Limits, Tenant
from chassis.errors import RunestoneError
from chassis.testing import FakeClock
from gateway_edge.auth.message_signature import MessageSignature
from gateway_edge.auth.signers import Signer, verify_ed25519, verify_hmac
from gateway_edge.call import Call
from gateway_edge.callers.tenants import ADMIN, Authority, Principal
from runestone.state.v1.state_pb2 import RememberNonceRequest, RememberNonceResponse

SECRET = b"a-shared-secret-of-forty-characters-long"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
COVERED = ("@method", "@path", "@query", "content-digest")
WINDOW, SKEW = 300.0, 30.0


@dataclass(frozen=True)
class Wire:
    """A request as a client whose clock shows `now` sends it."""

    now: float
    method: str = "POST"
    path: str = "/v1/chat/completions"
    query: str = "a=1&b=%20"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"model": "simulated"}'

    def signed(
        self,
        *,
        covered: tuple[str, ...] = COVERED,
        key: Any = PRIVATE,
        age: float = 0,
        ends_in: float | None = None,
        **said: Any,
    ) -> "Wire":
        """The same with a signature made `age` seconds ago: by Ed25519 unless `key` is a secret."""
        query = f"?{self.query}" if self.query else ""
        message = SimpleNamespace(
            method=self.method, url=f"https://gateway.example{self.path}{query}", headers=dict(self.headers)
        )
        algorithm = algorithms.HMAC_SHA256 if isinstance(key, bytes) else algorithms.ED25519
        said["created"] = datetime.fromtimestamp(self.now - age, UTC)
        if ends_in is not None:
            said["expires"] = datetime.fromtimestamp(self.now + ends_in, UTC)
        said = {"key_id": "hmac" if isinstance(key, bytes) else "ed", "nonce": "n-1"} | said
        body = self.body if "content-digest" in covered else None
        HTTPMessageSigner(
            signature_algorithm=algorithm, key_resolver=SimpleNamespace(resolve_private_key=lambda keyid: key)
        ).sign(message, covered_component_ids=covered, body=body, **said)
        return replace(self, headers={name.lower(): value for name, value in message.headers.items()})

    def changed(self, **headers: str | None) -> "Wire":
        """The same with headers that differ, or (None) are gone; `_` stands for `-`."""
        changed = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={name: value for name, value in changed.items() if value is not None})


@dataclass
class FakeNonces:
    """cache-svc's memory of nonces, as its contract has it. With an `error` it is away."""

    clock: FakeClock
    error: RunestoneError | None = None
    asked: list[RememberNonceRequest] = field(default_factory=list)
    ends: dict[tuple[str, str], float] = field(default_factory=dict)

    async def RememberNonce(self, request: RememberNonceRequest, *, metadata: Any) -> RememberNonceResponse:
        self.asked.append(request)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        key, now = (request.scope, request.nonce), self.clock.time()
        is_first = self.ends.get(key, 0.0) <= now
        self.ends[key] = max(self.ends.get(key, 0.0), now + request.ttl.ToMilliseconds() / 1000)
        return RememberNonceResponse(is_first=is_first)


@pytest.fixture
def wire(clock: FakeClock) -> Wire:
    return Wire(clock.time())


@pytest.fixture
def secret() -> bytes:
    """What `hmac` and `ops` sign with."""
    return SECRET


@pytest.fixture
def covered() -> tuple[str, ...]:
    """What every signature covers."""
    return COVERED


@pytest.fixture
def nonces(clock: FakeClock) -> FakeNonces:
    return FakeNonces(clock)


@pytest.fixture
def signatures(clock: FakeClock, nonces: FakeNonces) -> MessageSignature:
    """Takes the signatures of `ed` (Ed25519), `hmac` (the shared secret) and `ops`, an administrator."""
    public = PRIVATE.public_key().public_bytes_raw()
    signers = {
        "ed": Signer("ed25519", Principal(tenant="acme", key="ci"), verify_ed25519(public)),
        "hmac": Signer("hmac-sha256", Principal(tenant="acme", key="old"), verify_hmac(SECRET)),
        "ops": Signer("hmac-sha256", ADMIN, verify_hmac(SECRET)),
    }
    return MessageSignature(signers, nonces, clock, window=WINDOW, clock_skew=SKEW)


@pytest.fixture
def arrive(make_call: Callable[..., Call]) -> Callable[..., Call]:
    """A call of a request on the wire."""

    def make(wire: Wire, *, is_proxied: bool = False) -> Call:
        framing = {"host": "gateway.example"} | ({"content-length": str(len(wire.body))} if wire.body else {})
        call = make_call(wire.body, headers=framing | wire.headers, is_bare=True)
        call.arrival = with_fields(
            call.arrival, method=wire.method, path=wire.path, query=wire.query, is_proxied=is_proxied
        )
        return call

    return make


@pytest.fixture
def authority() -> Authority:
    """Two tenants; acme has a key with a limit of its own."""
    key = Key(name="ci", hash=f"sha256:{'0' * 64}", limits=Limits(requests_per_minute=5))
    return Authority([Tenant(name="acme", limits=Limits(requests_per_minute=100), keys=[key]), Tenant(name="beta")])
