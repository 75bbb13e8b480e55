"""Whoever may authenticate has one tenant and credentials that can be checked; all else is refused where it stands."""

import textwrap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import ConfigError, Settings, decode, encode, parse_settings
from chassis.config.credentials import find_jwks_fault, is_safe_url
from chassis.ed25519 import read_public_key
from chassis.snapshots import document_for

PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n"
RAW = "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="  # the same, RFC 9421, appendix B.1.4
SECRET = "a-shared-secret-canary-of-40-characters!"
JWKS = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}]}'

WHOLE = f"""\
edge: {{http: {{trusted_proxies: [10.0.0.0/8]}}}}
tenants: [{{name: acme}}, {{name: beta}}]
authentication:
  signatures:
    window: 2m
    clock_skew: 5s
    signers:
      - {{keyid: acme-ci, algorithm: ed25519, public_key: "{RAW}", tenant: acme, key: ci}}
      - {{keyid: acme-old, algorithm: hmac-sha256, secret: "{SECRET}", tenant: acme}}
      - {{keyid: ops, algorithm: hmac-sha256, secret: "{SECRET}", admin: true}}
  jwt:
    issuers:
      - {{issuer: https://id.example, audiences: [runestone], jwks_url: https://id.example/jwks, tenant_claim: org, tenants: [acme]}}
      - {{issuer: https://other.example, audiences: [runestone], jwks: '{JWKS}', algorithms: [Ed25519], tenant: beta, key_claim: email}}
  mtls:
    clients:
      - {{uri: spiffe://mesh/acme/*, tenant: acme, key: workloads}}
      - {{subject: "CN=batch,O=Beta", tenant: beta, key: batch}}
"""


def problems_of(section: str) -> list[str]:
    """What is wrong with an `authentication` section that begins in line 4."""
    text = "edge: {http: {trusted_proxies: [10.0.0.0/8]}}\ntenants: [{name: acme}]\nauthentication:\n"
    try:
        parse_settings(text + textwrap.indent(section, "  "), environment={})
    except ConfigError as error:
        return list(map(str, error.problems))
    return []


def test_every_kind_is_accepted_and_travels_to_the_edge_alone() -> None:
    settings = parse_settings(WHOLE, environment={})
    sent = decode(document_for("edge", settings)).authentication
    assert sent == settings.authentication
    assert decode(document_for("provider", settings)).authentication == Settings().authentication


def test_a_shared_secret_is_never_shown() -> None:
    settings = parse_settings(WHOLE, environment={})
    assert SECRET not in repr(settings)
    assert SECRET.encode() not in encode(settings, reveal=False)


def signer(**fields: str) -> str:
    known = {"keyid": "a", "algorithm": "hmac-sha256", "secret": f'"{SECRET}"', "tenant": "acme"} | fields
    return f"signatures: {{signers: [{{{', '.join(f'{k}: {v}' for k, v in known.items() if v)}}}]}}"


def issuer(**fields: str) -> str:
    known = {"issuer": "i", "audiences": "[a]", "jwks_url": "https://i.example/jwks", "tenant": "acme"} | fields
    return f"jwt: {{issuers: [{{{', '.join(f'{k}: {v}' for k, v in known.items() if v)}}}]}}"


def client(**fields: str) -> str:
    known = {"uri": "spiffe://a/b", "tenant": "acme", "key": "b"} | fields
    return f"mtls: {{clients: [{{{', '.join(f'{k}: {v}' for k, v in known.items() if v)}}}]}}"


@pytest.mark.parametrize("section", [signer(), issuer(), client()])
def test_the_plain_form_of_each_is_accepted(section: str) -> None:
    assert problems_of(section) == []


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("signatures: {window: 0s}", "signatures.window: must be more than 0 and at most 30m"),
        ("signatures: {window: 31m}", "signatures.window: must be more than 0 and at most 30m"),
        ("signatures: {clock_skew: 6m}", "signatures.clock_skew: must be at most 5m"),
        (signer(tenant=""), "signatures.signers[0]: needs either `tenant` or `admin: true`"),
        (signer(admin="true"), "signatures.signers[0]: needs either `tenant` or `admin: true`"),
        (signer(tenant="", admin="true", key="k"), "signatures.signers[0].key: has no meaning with `admin: true`"),
        (signer(tenant="other"), "signatures.signers[0].tenant: there is no tenant 'other'"),
        (signer(secret=""), "signatures.signers[0]: hmac-sha256 needs `secret`, and no `public_key`"),
        (signer(public_key=RAW), "signatures.signers[0]: hmac-sha256 needs `secret`, and no `public_key`"),
        (signer(secret="short"), "signatures.signers[0].secret: must be at least 32 characters"),
        (signer(algorithm="ed25519"), "signatures.signers[0]: ed25519 needs `public_key`, and no `secret`"),
        (signer(algorithm="ed25519", secret="", public_key="abc"), "signatures.signers[0].public_key: is neither"),
        (signer(algorithm="ed25519", secret="", public_key="YWJj"), "signatures.signers[0].public_key: is no Ed25519"),
        (signer(algorithm="rsa-v1_5-sha256"), "signatures.signers[0].algorithm: Invalid enum value"),
        (issuer(tenant=""), "jwt.issuers[0]: needs either `tenant` or `tenant_claim`"),
        (issuer(tenant_claim="org"), "jwt.issuers[0]: needs either `tenant` or `tenant_claim`"),
        (issuer(tenants="[acme]"), "jwt.issuers[0].tenants: bounds what `tenant_claim` names, which is missing"),
        (issuer(tenant="", tenant_claim="o", tenants="[b]"), "jwt.issuers[0].tenants[0]: there is no tenant 'b'"),
        (issuer(jwks_url=""), "jwt.issuers[0]: needs either `jwks_url` or `jwks`"),
        (issuer(jwks=f"'{JWKS}'"), "jwt.issuers[0]: needs either `jwks_url` or `jwks`"),
        (issuer(jwks_url="http://i.example"), "jwt.issuers[0].jwks_url: must begin with https://"),
        (issuer(jwks_url="", jwks="'{}'"), "jwt.issuers[0].jwks: must be JSON such as"),
        (issuer(algorithms="[none]"), "jwt.issuers[0].algorithms[0]: Invalid enum value 'none'"),
        (issuer(algorithms="[HS256]"), "jwt.issuers[0].algorithms[0]: Invalid enum value 'HS256'"),
        (issuer(algorithms="[]"), "jwt.issuers[0].algorithms: must name at least one"),
        (issuer(audiences="[]"), "jwt.issuers[0].audiences: must name at least one"),
        (issuer(leeway="1h"), "jwt.issuers[0].leeway: must be at most 5m"),
        (issuer(refresh="1s"), "jwt.issuers[0].refresh: must be at least 10s"),
        (client(subject="CN=a"), "mtls.clients[0]: needs either `uri` or `subject`"),
        (client(uri=""), "mtls.clients[0]: needs either `uri` or `subject`"),
        (client(uri="spiffe://a/*/b"), "mtls.clients[0].uri: may have `*` as its last part only"),
        (client(tenant="other"), "mtls.clients[0].tenant: there is no tenant 'other'"),
    ],
)
def test_what_could_not_be_meant_is_refused_where_it_stands(section: str, problem: str) -> None:
    (found,) = problems_of(section)
    assert found.startswith(f"line 4: authentication.{problem}")


def test_nobody_is_named_twice() -> None:
    one = signer()[len("signatures: {signers: [") : -2]
    assert problems_of(f"signatures: {{signers: [{one}, {one}]}}") == [
        "line 4: authentication.signatures.signers[0]: stands 2 times",
        "line 4: authentication.signatures.signers[1]: stands 2 times",
    ]


def test_certificates_need_a_proxy_whose_word_is_taken() -> None:
    text = f"tenants: [{{name: acme}}]\nauthentication:\n  {client()}\n"
    with pytest.raises(ConfigError, match=r"mtls.clients: needs `edge.http.trusted_proxies`"):
        parse_settings(text, environment={})


@pytest.mark.parametrize("text", [PEM, RAW, f"  {RAW}\n", PEM.replace("\n", "\r\n")])
def test_a_public_key_may_be_written_in_either_form(text: str) -> None:
    assert read_public_key(text).hex() == "26b40b8f93fff3d897112f7ebc582b232dbd72517d082fe83cfb30ddce43d1bb"


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_what_is_no_public_key_is_refused_and_never_crashes(text: str) -> None:
    with suppress(ValueError):
        assert len(read_public_key(text)) == 32


@pytest.mark.parametrize(
    "url", ["https://a", "https://a:1/x?y", "http://127.0.0.1:9/j", "http://[::1]/j", "http://localhost"]
)
def test_an_address_that_nobody_can_answer_for_is_safe(url: str) -> None:
    assert is_safe_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "http://a",
        "http://127.0.0.1.example",
        "ftp://a",
        "file:///etc",
        "https://u:p@a",
        "https://a:0",
        "http://[",
        "https://a:x",
    ],
)
def test_any_other_address_is_not(url: str) -> None:
    assert not is_safe_url(url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"keys": 1}',
        '{"keys": []}',
        '{"keys": [1]}',
        '{"keys": [{"kty": "oct", "k": "a"}]}',
        '{"keys": [{"kty": "RSA", "n": "a"}]}',
        '{"keys": [{"kty": "RSA", "n": 1, "e": 2}]}',
        "[" * 100_000,
    ],
)
def test_a_key_set_that_is_none_is_named(text: str) -> None:
    assert find_jwks_fault(text)


def test_a_whole_key_set_has_no_fault() -> None:
    assert find_jwks_fault(JWKS) is None
