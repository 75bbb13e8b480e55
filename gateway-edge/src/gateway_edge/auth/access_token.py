"""Bearer tokens of other issuers: who a JWT is for, verified once and remembered until it expires."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.clock import Clock
from chassis.config.authentication import Issuer as IssuerSettings
from gateway_edge.auth.bearer import bearer_of, looks_like_token
from gateway_edge.auth.key_set import PublicKeys
from gateway_edge.auth.key_source import KeySource
from gateway_edge.auth.refusal import TOKEN, refusal
from gateway_edge.auth.token import Expectation, Token, read_token, verify_token
from gateway_edge.call import Arrival, Call
from gateway_edge.callers.tenants import Authority, Principal

MOST_REMEMBERED = 10_000
LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer: what its tokens must be, its keys, and which claims say whom they are for."""

    expected: Expectation
    source: KeySource
    settings: IssuerSettings

    @classmethod
    def of(cls, settings: IssuerSettings, source: KeySource) -> "Issuer":
        """The issuer that the configuration describes."""
        expected = Expectation(settings.issuer, settings.audiences, settings.algorithms, settings.leeway)
        return cls(expected, source, settings)


@dataclass(frozen=True, slots=True)
class _Verified:
    """Good until `until` (seconds since the epoch), as long as the issuer's keys are the same."""

    principal: Principal
    until: float
    source: KeySource
    keys: PublicKeys | None


class AccessToken:
    """Takes tokens of the issuers that are configured."""

    kind = "a token"

    def __init__(self, issuers: Mapping[str, Issuer], authority: Authority, clock: Clock) -> None:
        self._issuers = issuers
        self._authority = authority
        self._clock = clock
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    def are_presented(self, arrival: Arrival) -> bool:
        """Whether there is one. Raises AUTHENTICATION_FAILED for a scheme not known here."""
        return looks_like_token(bearer_of(arrival.headers))

    async def verify(self, call: Call) -> Principal:
        """Who the token is for. Raises UNAVAILABLE while its issuer's keys cannot be had."""
        text = bearer_of(call.arrival.headers) or ""
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
        known = self._verified.get(digest)
        if known is not None and known.until > self._clock.time() and known.source.keys is known.keys:
            self._verified.move_to_end(digest)
            return known.principal
        verified = await self._verify(read_token(text))
        self._verified[digest] = verified
        if len(self._verified) > MOST_REMEMBERED:
            self._verified.popitem(last=False)
        return verified.principal

    async def _verify(self, token: Token) -> _Verified:
        issuer = self._issuers.get(token.issuer)
        if issuer is None or token.algorithm not in issuer.expected.algorithms:
            raise refusal(TOKEN, "the token's issuer is not known here, or does not use its algorithm")
        key = await issuer.source.find(token.kid)
        if key is None:
            raise refusal(TOKEN, "the token's issuer has no key of that id")
        keys = issuer.source.keys
        claims = verify_token(token, key, issuer.expected, self._clock.time())
        until = float(claims["exp"]) + issuer.expected.leeway
        return _Verified(self._principal(claims, issuer.settings), until, issuer.source, keys)

    def _principal(self, claims: Mapping[str, Any], issuer: IssuerSettings) -> Principal:
        tenant = issuer.tenant or _name(claims, issuer.tenant_claim or "")
        is_out = issuer.tenants and tenant not in issuer.tenants
        found = None if is_out else self._authority.member(tenant, _name(claims, issuer.key_claim))
        if found is None:
            raise refusal(TOKEN, "the token is for a tenant that is not known here")
        return found


def _name(claims: Mapping[str, Any], claim: str) -> str:
    """What a claim names. Raises AUTHENTICATION_FAILED for what could not be recorded as it is."""
    name = claims.get(claim)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not (name.isascii() and name.isprintable()):
        message = f"the token's claim {claim!r} must be 1 to {LONGEST_NAME} printable ASCII characters"
        raise refusal(TOKEN, message)
    return name
