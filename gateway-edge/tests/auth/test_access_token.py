"""A token is taken when its issuer signed it, for this gateway, for now, and for a tenant that is there."""

import base64
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from chassis.config.authentication import Issuer as IssuerSettings
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.auth import access_token
from gateway_edge.auth.access_token import AccessToken, Issuer
from gateway_edge.auth.key_set import PublicKeys
from gateway_edge.auth.key_source import WrittenKeys
from gateway_edge.call import Call
from gateway_edge.callers.tenants import Authority, Principal

ISSUER, AUDIENCE = "https://id.example", "runestone"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa"})  # somebody else's, under the same id
JWKS = orjson.dumps(KeySet([RSA, EC, ED]).as_dict(private=False)).decode()
ALGORITHMS = {"RS256": RSA, "PS256": RSA, "ES256": EC, "Ed25519": ED}


class Door:
    """Sends tokens to the strategy."""

    def __init__(self, make_call: Callable[..., Call], authority: Authority, clock: FakeClock) -> None:
        self._make_call, self._authority, self.clock = make_call, authority, clock
        self.use()

    def use(self, **settings: Any) -> None:
        """Takes tokens of one issuer, configured like this."""
        known = {"issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": list(ALGORITHMS), "jwks": JWKS}
        known |= {} if "tenant" in settings else {"tenant_claim": "org"}
        configured = IssuerSettings(**(known | settings))
        self.source = WrittenKeys(configured.jwks or "")
        self.tokens = AccessToken({ISSUER: Issuer.of(configured, self.source)}, self._authority, self.clock)

    def issue(
        self, key: Any = RSA, algorithm: str = "RS256", header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token; None takes a claim away."""
        now = int(self.clock.time())
        known = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 60, "org": "acme", "sub": "alice"} | claims
        said = {"alg": algorithm, "kid": key.kid} | (header or {})
        given = {name: value for name, value in known.items() if value is not None}
        return jwt.encode({k: v for k, v in said.items() if v is not None}, given, key, algorithms=[algorithm])

    async def send(self, token: str) -> Principal:
        call = self._make_call(headers={"authorization": f"Bearer {token}"}, is_bare=True)
        assert self.tokens.are_presented(call.arrival)
        return await self.tokens.verify(call)

    async def refused(self, token: str, code: str = "invalid_token") -> str:
        with pytest.raises(RunestoneError) as caught:
            await self.send(token)
        assert (caught.value.reason, caught.value.code) == (Reason.AUTHENTICATION_FAILED, code)
        assert token not in caught.value.message
        return caught.value.message


@pytest.fixture
def door(make_call: Callable[..., Call], authority: Authority, clock: FakeClock) -> Door:
    return Door(make_call, authority, clock)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_of_each_kind_is_its_tenants(door: Door, algorithm: str) -> None:
    principal = await door.send(door.issue(ALGORITHMS[algorithm], algorithm))
    assert (principal.tenant, principal.key, principal.is_admin) == ("acme", "alice", False)


async def test_a_name_that_is_a_keys_brings_what_holds_for_that_key(door: Door) -> None:
    limits = (await door.send(door.issue(sub="ci"))).limits
    assert [(limit.subject, limit.rate.quantity) for limit in limits] == [
        (("tenant", "acme"), 100),
        (("key", "acme", "ci"), 5),
    ]
    (limit,) = (await door.send(door.issue(sub="alice"))).limits
    assert limit.subject == ("tenant", "acme")


async def test_an_issuer_may_be_one_tenants(door: Door) -> None:
    door.use(tenant="beta", key_claim="email")
    principal = await door.send(door.issue(org="acme", email="a@b.example"))
    assert (principal.tenant, principal.key) == ("beta", "a@b.example")


async def test_an_issuer_names_no_tenant_but_those_that_it_may(door: Door) -> None:
    door.use(tenants=["beta"])
    assert (await door.send(door.issue(org="beta"))).tenant == "beta"
    await door.refused(door.issue(org="acme"))


@pytest.mark.parametrize("org", ["nobody", "", None, 1, ["acme"], "admin", "anonymous"])
async def test_a_tenant_that_is_not_there_is_nobody(door: Door, org: object) -> None:
    await door.refused(door.issue(org=org))


@pytest.mark.parametrize("sub", ["", None, "\u00e9", "a\nb", "x" * 129, "\x00"])
async def test_a_name_that_could_not_be_recorded_is_refused(door: Door, sub: object) -> None:
    door.use(key_claim="name")
    await door.refused(door.issue(name=sub))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"iss": ["https://id.example"]},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": []},
        {"aud": None},
        {"aud": 1},
        {"exp": None},
        {"exp": "2100-01-01"},
        {"exp": True},
        {"exp": 10**400},
        {"nbf": 1_800_000_031},
        {"nbf": "now"},
        {"iat": 1_800_000_031},
    ],
)
async def test_a_token_that_is_not_for_here_and_now_is_refused(door: Door, claims: dict[str, Any]) -> None:
    await door.refused(door.issue(**claims))


@pytest.mark.parametrize("claims", [{"aud": ["other", AUDIENCE]}, {"nbf": 1_800_000_030}, {"iat": 1_800_000_030}])
async def test_clocks_may_differ_a_little_and_audiences_be_several(door: Door, claims: dict[str, Any]) -> None:
    assert (await door.send(door.issue(**claims))).tenant == "acme"


async def test_a_token_ends_after_the_leeway_also_when_it_is_remembered(door: Door) -> None:
    token = door.issue()
    await door.send(token)
    door.clock.advance(89)
    await door.send(token)
    door.clock.advance(1)
    await door.refused(token, "expired_token")


async def test_somebody_elses_signature_is_no_good(door: Door) -> None:
    await door.refused(door.issue(OTHER))


async def test_a_key_that_is_not_the_issuers_is_refused(door: Door) -> None:
    await door.refused(door.issue(header={"kid": "new"}))
    await door.refused(door.issue(header={"kid": None}))  # three keys: which?


async def test_the_only_key_need_not_be_named(door: Door) -> None:
    door.use(jwks=orjson.dumps({"keys": [RSA.as_dict(private=False)]}).decode())
    assert (await door.send(door.issue(header={"kid": None}))).tenant == "acme"


async def test_an_algorithm_that_is_not_the_issuers_is_refused(door: Door) -> None:
    door.use(algorithms=["ES256"])
    await door.refused(door.issue())


async def test_a_key_serves_algorithms_of_its_own_type_only(door: Door) -> None:
    token = door.issue(EC, "ES256", header={"kid": "rsa"})
    await door.refused(token)


def forge(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256", None, ["RS256"]])
async def test_a_token_without_a_signature_is_refused(door: Door, algorithm: object) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": 2_000_000_000, "org": "acme", "sub": "alice"}
    await door.refused(forge({"alg": algorithm, "kid": "rsa"}, claims))


@pytest.mark.parametrize("secret", [RSA.as_pem(private=False), orjson.dumps(RSA.as_dict(private=False))])
async def test_a_public_key_is_never_a_secret(door: Door, secret: bytes) -> None:
    """HMAC keyed with what everybody knows (RFC 8725, section 2.1)."""
    key = OctKey.import_key(base64.urlsafe_b64encode(secret).decode(), {"kid": "rsa"})
    await door.refused(door.issue(key, "HS256"))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": 1},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"kid": 1},
    ],
)
async def test_a_header_that_asks_for_more_is_refused(door: Door, header: dict[str, Any]) -> None:
    said = {"alg": "RS256", "kid": "rsa"} | header
    await door.refused(forge(said, {"iss": ISSUER}))


async def test_access_tokens_say_so_and_unknown_headers_mean_nothing(door: Door) -> None:
    token = jwt.encode(
        {"alg": "RS256", "kid": "rsa", "typ": "at+JWT", "jku": "https://evil.example/jwks"},
        {"iss": ISSUER, "aud": AUDIENCE, "exp": 2_000_000_000, "org": "acme", "sub": "alice"},
        RSA,
    )
    assert (await door.send(token)).tenant == "acme"


async def test_a_token_is_verified_once_while_its_issuers_keys_are_the_same(door: Door, monkeypatch: Any) -> None:
    verified: list[str] = []
    real = access_token.verify_token

    def count(token: Any, *rest: Any) -> Any:
        verified.append(token.text)
        return real(token, *rest)

    monkeypatch.setattr(access_token, "verify_token", count)
    token = door.issue()
    assert await door.send(token) == await door.send(token)
    assert len(verified) == 1
    door.source.keys = PublicKeys(orjson.dumps({"keys": [EC.as_dict(private=False)]}))
    await door.refused(token)


async def test_what_is_remembered_is_bounded(door: Door, monkeypatch: Any) -> None:
    monkeypatch.setattr(access_token, "MOST_REMEMBERED", 2)
    for name in ("a", "b", "c", "a"):
        await door.send(door.issue(ED, "Ed25519", sub=name))
    assert len(door.tokens._verified) == 2


async def test_what_is_refused_is_not_remembered(door: Door) -> None:
    await door.refused(door.issue(org="nobody"))
    assert not door.tokens._verified


@pytest.mark.parametrize(
    "text", ["eyJ.eyJ.", "eyJ..", "eyJhbGciOiJub25lIn0.W10.", "eyJ" + "A" * 9000 + "..", "eyJ\udcff.\u00e9.x"]
)
async def test_what_only_looks_like_a_token_is_refused(door: Door, text: str) -> None:
    await door.refused(text)


ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
HEADERS = st.sampled_from(
    ["typ", "cty", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "kid", "alg", "\u00e9"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), name=HEADERS, value=ANY_JSON)
async def test_whatever_is_sent_is_refused_and_nothing_crashes(door: Door, text: str, name: str, value: Any) -> None:
    part = text.replace(".", "")
    await door.refused(f"eyJ{part}.{part}.{part}")
    await door.refused(forge({"alg": "RS256", "kid": "rsa", name: value}, {"iss": ISSUER, "aud": value}, b"x"))
    await door.refused(forge({"alg": value, "kid": value, "x": text}, {"iss": value}))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.data())
async def test_no_character_of_a_token_can_be_changed(door: Door, data: st.DataObject) -> None:
    """But for the bits that base64 does not use."""
    token = door.issue(ED, "Ed25519")
    position = data.draw(st.integers(3, len(token) - 2).filter(lambda at: token[at] != "." and token[at + 1] != "."))
    other = data.draw(st.sampled_from("ABCabc019-_").filter(lambda c: c != token[position]))
    await door.refused(token[:position] + other + token[position + 1 :])
