"""Which credentials are taken is what the configuration names, and nobody pays for what nobody has."""

import subprocess
import sys
from collections.abc import Callable, Coroutine
from itertools import combinations
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.config import Secret, Settings
from chassis.config.authentication import (
    Authentication,
    CertifiedClient,
    Issuer,
    Jwt,
    Mtls,
    Signatures,
    Signer,
)
from chassis.config.schema import Key, Tenant
from chassis.errors import RunestoneError
from chassis.logs import get_logger
from chassis.snapshots import Snapshot
from gateway_edge.auth.key_sources import KeySources
from gateway_edge.auth.table import lay_credentials
from gateway_edge.middleware.authenticate import Authenticate
from gateway_edge.middleware.identify import Identify
from gateway_edge.peers import Peers
from gateway_edge.policy import Policy

KEY = "a-key-of-enough-length"
JWKS = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}]}'
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.AAAA"


@pytest.fixture
async def lay(clock, nonces, spawn: Callable[[Coroutine[Any, Any, None], str], None], secret) -> Callable[..., Any]:
    """The kinds that one configuration takes."""
    signers = [
        Signer(keyid="hmac", algorithm="hmac-sha256", secret=Secret(secret.decode()), tenant="acme", key="ci"),
        Signer(keyid="ops", algorithm="hmac-sha256", secret=Secret(secret.decode()), admin=True),
    ]
    issuer = Issuer(issuer="i", audiences=["a"], jwks=JWKS, tenant="acme")
    client = CertifiedClient(uri="spiffe://mesh/acme", tenant="acme", key="mesh")
    everything = Authentication(
        signatures=Signatures(signers=signers), jwt=Jwt(issuers=[issuer]), mtls=Mtls(clients=[client])
    )

    def make(authentication: Authentication = everything) -> Any:
        tenants = [Tenant(name="acme", keys=[Key(name="ci", secret=Secret(KEY))])]
        policy = Policy.of(Snapshot("v", Settings(tenants=tenants, authentication=authentication)), clock.time())
        unused: Any = None
        peers = Peers(
            replicas=unused,
            models=unused,
            provider=unused,
            near=unused,
            shelf=unused,
            uses=unused,
            claims=unused,
            places=unused,
            stream_notes=unused,
            flights=unused,
            copies=unused,
            nonces=nonces,
            key_sources=KeySources(clock, spawn, get_logger("edge")),
            leases=unused,
            local_limits=unused,
            clock=clock,
            spawn=spawn,
        )
        return lay_credentials(policy, peers)

    return make


@pytest.fixture
def identify(lay: Callable[..., Any]) -> Callable[..., Any]:
    """Who a call's caller is found to be."""

    async def run(call: Any, *, admin: bool | None = None) -> Any:
        async def end(call: Any) -> None:
            if admin is not None:
                await Authenticate(admin=admin)(call, end_here)

        async def end_here(call: Any) -> None:
            assert call.principal is not None

        await Identify(lay(), None)(call, end)
        return call.principal

    return run


async def test_without_a_word_in_the_configuration_keys_are_all(lay, arrive, wire) -> None:
    (kind,) = lay(Authentication())
    assert kind.kind == "an API key"
    assert kind.are_presented(arrive(wire.changed(authorization=f"Bearer {TOKEN}")).arrival)


async def test_each_kind_is_taken_when_somebody_has_it(lay) -> None:
    assert [kind.kind for kind in lay()] == ["an API key", "a signature", "a token", "a client certificate"]


async def test_a_signer_is_who_it_is_configured_as(identify, arrive, wire, secret) -> None:
    principal = await identify(arrive(wire.signed(key=secret)))
    assert (principal.tenant, principal.key) == ("acme", "ci")


async def test_a_signature_of_an_admin_opens_what_takes_the_admin_key(identify, arrive, wire, secret) -> None:
    principal = await identify(arrive(wire.signed(key=secret, key_id="ops")), admin=True)
    assert (principal.tenant, principal.key, principal.pipeline) == ("admin", "ops", "admin")
    with pytest.raises(RunestoneError, match="admin key"):
        await identify(arrive(wire.signed(key=secret, nonce="n-2")), admin=True)


CREDENTIALS: dict[str, dict[str, str]] = {
    "key": {"x_api_key": KEY},
    "token": {"authorization": f"Bearer {TOKEN}"},
    "signature": {"signature": "a=:AA==:"},
    "half a signature": {"signature_input": "a=()"},
    "certificate": {"x_forwarded_client_cert": "URI=spiffe://mesh/acme"},
}


PAIRS = [pair for pair in combinations(CREDENTIALS, 2) if pair != ("signature", "half a signature")]


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_two_kinds_at_once_are_nobody(identify, arrive, wire, one, other) -> None:
    both = wire.changed(**CREDENTIALS[one], **CREDENTIALS[other])
    with pytest.raises(RunestoneError) as caught:
        await identify(arrive(both, is_proxied=True))
    assert caught.value.code == "ambiguous_credentials"


@pytest.mark.parametrize("one", CREDENTIALS)
async def test_nothing_of_credentials_is_told_or_logged(identify, arrive, wire, secret, one) -> None:
    sent = wire.changed(
        **{name: value.replace(KEY, "canary-key-0123456789") for name, value in CREDENTIALS[one].items()}
    )
    signed = wire.signed(key=secret, key_id="nobody", nonce="canary-nonce")
    with capture_logs() as logs:
        for request in (sent, signed):
            try:
                await identify(arrive(request, is_proxied=True))
            except RunestoneError as error:
                told = f"{error.message} {error!r} {error.code} {error.param}"
                assert not any(value in told for value in (*request.headers.values(), "canary", secret.decode()))
    assert logs == []


def test_an_edge_that_takes_keys_only_loads_no_cryptography() -> None:
    heavy = ("cryptography", "joserfc", "http_sf", "aiohttp")
    program = f"import sys, gateway_edge.service; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
