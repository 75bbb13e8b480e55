"""What must hold of `authentication` beyond types: everybody has one tenant, and credentials that can be checked."""

import ipaddress
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from chassis.config.authentication import CertifiedClient, Issuer, Signatures, Signer
from chassis.config.document import Finding, KeyPath
from chassis.config.schema import Settings
from chassis.config.shared_state import find_unshared_state
from chassis.ed25519 import read_public_key

SHORTEST_SECRET = 32  # characters; HMAC-SHA-256 is as hard to forge as its key is to guess
LONGEST_WINDOW = 1800.0  # seconds; with the clocks' difference, nonces are remembered for less than an hour
LONGEST_SKEW = 300.0
SHORTEST_REFRESH = 10.0

# What a JWK of each type must have (RFC 7518, section 6; RFC 8037).
JWK_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}

SIGNERS: KeyPath = ("authentication", "signatures", "signers")
ISSUERS: KeyPath = ("authentication", "jwt", "issuers")
CLIENTS: KeyPath = ("authentication", "mtls", "clients")


def check_authentication(settings: Settings) -> Iterator[Finding]:
    """Everything in `authentication` that could not be meant."""
    given = settings.authentication
    yield from _check_window(given.signatures)
    for number, signer in enumerate(given.signatures.signers):
        yield from _below((*SIGNERS, number), _check_signer(signer))
    for number, issuer in enumerate(given.jwt.issuers):
        yield from _below((*ISSUERS, number), _check_issuer(issuer))
    for number, client in enumerate(given.mtls.clients):
        yield from _below((*CLIENTS, number), _check_client(client))
    yield from _find_doubles([signer.keyid for signer in given.signatures.signers], SIGNERS)
    yield from _find_doubles([issuer.issuer for issuer in given.jwt.issuers], ISSUERS)
    yield from _find_doubles([(client.uri, client.subject) for client in given.mtls.clients], CLIENTS)
    yield from _check_tenants(settings)
    if given.signatures.signers:
        yield from find_unshared_state(settings, "a nonce's being new")
    if given.mtls.clients and not settings.edge.http.trusted_proxies:
        yield CLIENTS, "needs `edge.http.trusted_proxies`: the proxies whose word on certificates is taken"


def _below(path: KeyPath, findings: Iterator[Finding]) -> Iterator[Finding]:
    for where, message in findings:
        yield (*path, *where), message


def _find_doubles(identities: Sequence[object], path: KeyPath) -> Iterator[Finding]:
    counts = Counter(identities)
    for index, identity in enumerate(identities):
        if counts[identity] > 1:
            yield (*path, index), f"stands {counts[identity]} times"


def _check_tenants(settings: Settings) -> Iterator[Finding]:
    """Whoever is named belongs to a tenant that is there."""
    known, given = {tenant.name for tenant in settings.tenants}, settings.authentication
    places: list[tuple[KeyPath, str | None]] = [
        *(((*SIGNERS, number, "tenant"), signer.tenant) for number, signer in enumerate(given.signatures.signers)),
        *(((*ISSUERS, number, "tenant"), issuer.tenant) for number, issuer in enumerate(given.jwt.issuers)),
        *(((*CLIENTS, number, "tenant"), client.tenant) for number, client in enumerate(given.mtls.clients)),
    ]
    for number, issuer in enumerate(given.jwt.issuers):
        places += [((*ISSUERS, number, "tenants", index), name) for index, name in enumerate(issuer.tenants)]
    for path, name in places:
        if name is not None and name not in known:
            yield path, f"there is no tenant {name!r}"


def _check_window(signatures: Signatures) -> Iterator[Finding]:
    path = ("authentication", "signatures")
    if not 0 < signatures.window <= LONGEST_WINDOW:
        yield (*path, "window"), "must be more than 0 and at most 30m"
    if signatures.clock_skew > LONGEST_SKEW:
        yield (*path, "clock_skew"), "must be at most 5m"


def _check_signer(signer: Signer) -> Iterator[Finding]:
    if (signer.tenant is not None) == signer.admin:
        yield (), "needs either `tenant` or `admin: true`"
    if signer.admin and signer.key is not None:
        yield ("key",), "has no meaning with `admin: true`"
    yield from _check_secret(signer) if signer.algorithm == "hmac-sha256" else _check_public_key(signer)


def _check_secret(signer: Signer) -> Iterator[Finding]:
    if signer.secret is None or signer.public_key is not None:
        yield (), "hmac-sha256 needs `secret`, and no `public_key`"
    elif len(signer.secret.reveal()) < SHORTEST_SECRET:
        yield ("secret",), f"must be at least {SHORTEST_SECRET} characters"


def _check_public_key(signer: Signer) -> Iterator[Finding]:
    if signer.public_key is None or signer.secret is not None:
        yield (), "ed25519 needs `public_key`, and no `secret`"
        return
    try:
        read_public_key(signer.public_key)
    except ValueError as error:
        yield ("public_key",), str(error)


def _check_issuer(issuer: Issuer) -> Iterator[Finding]:
    if (issuer.tenant is None) == (issuer.tenant_claim is None):
        yield (), "needs either `tenant` or `tenant_claim`"
    if issuer.tenants and issuer.tenant_claim is None:
        yield ("tenants",), "bounds what `tenant_claim` names, which is missing"
    for name in ("audiences", "algorithms"):
        if not getattr(issuer, name):
            yield (name,), "must name at least one"
    if issuer.leeway > LONGEST_SKEW:
        yield ("leeway",), "must be at most 5m"
    if issuer.refresh < SHORTEST_REFRESH:
        yield ("refresh",), "must be at least 10s"
    if (issuer.jwks is None) == (issuer.jwks_url is None):
        yield (), "needs either `jwks_url` or `jwks`"
    if issuer.jwks_url is not None and not is_safe_url(issuer.jwks_url):
        yield ("jwks_url",), "must begin with https:// (http:// on loopback only), and hold no user name"
    if issuer.jwks is not None and (fault := find_jwks_fault(issuer.jwks)):
        yield ("jwks",), fault


def is_safe_url(url: str) -> bool:
    """Whether nobody on the way can answer in the place of whom `url` names."""
    try:
        parts = urlsplit(url)
        is_named = bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False
    return is_named and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_jwks_fault(text: str) -> str | None:
    """What is wrong with a JWKS (RFC 7517, section 5); None when each of its keys is complete."""
    try:
        document: Any = json.loads(text)
        keys = document["keys"]
        kinds = [(key, JWK_MEMBERS[key["kty"]]) for key in keys]
    except (ValueError, TypeError, KeyError, RecursionError):
        return f'must be JSON such as {{"keys": [...]}} with keys of the types {", ".join(JWK_MEMBERS)}'
    if not kinds or any(not isinstance(key.get(name), str) for key, members in kinds for name in members):
        return "has no keys, or one that is not complete"
    return None


def _check_client(client: CertifiedClient) -> Iterator[Finding]:
    if (client.uri is None) == (client.subject is None):
        yield (), "needs either `uri` or `subject`"
    elif client.uri is not None and "*" in client.uri.removesuffix("/*"):
        yield ("uri",), "may have `*` as its last part only"
