"""JSON Web Tokens (RFC 7519), read as strictly as RFC 8725 asks. Pure."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jws
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwt import JWTClaimsRegistry

from gateway_edge.auth.key_set import PublicKey
from gateway_edge.auth.refusal import EXPIRED, TOKEN, refusal

LONGEST = 8192  # characters
TYPES = (
    None,
    "jwt",
    "at+jwt",
    "application/at+jwt",
)  # what else a token may be, it is not for this door (RFC 8725, section 3.11)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it says it is; nothing of it is verified."""

    text: str
    algorithm: str
    kid: str | None
    issuer: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an issuer's tokens must be. `leeway` in seconds."""

    issuer: str
    audiences: Sequence[str]
    algorithms: Sequence[str]
    leeway: float


def read_token(text: str) -> Token:
    """What a token, three parts with dots between them, says of itself. Raises AUTHENTICATION_FAILED when it says it in a way that is not taken."""
    if len(text) > LONGEST:
        raise refusal(TOKEN, f"the token is longer than {LONGEST} characters")
    header_part, claims_part, _ = text.split(".")
    header, claims = _decode(header_part), _decode(claims_part)
    kind = header.get("typ")
    if "crit" in header or "b64" in header or (kind.lower() if isinstance(kind, str) else kind) not in TYPES:
        raise refusal(TOKEN, "the token's header asks for something that is not taken here")
    algorithm, kid, issuer = header.get("alg"), header.get("kid"), claims.get("iss")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None) or not isinstance(issuer, str):
        raise refusal(TOKEN, "the token must have `alg`, `iss` and, if any, a `kid` that is text")
    return Token(text, algorithm, kid, issuer)


def verify_token(token: Token, key: PublicKey, expected: Expectation, now: float) -> dict[str, Any]:
    """The claims of a token that `key` has signed and that is meant for here and now (seconds since the epoch). The algorithm is
    one of the issuer's and the key's type must fit it. Raises AUTHENTICATION_FAILED."""
    try:
        verified = jws.deserialize_compact(token.text, key, registry=_registry(expected.algorithms))
        claims: dict[str, Any] = orjson.loads(verified.payload)
        _claims_of(expected, now).validate(claims)
    except ExpiredTokenError as error:
        raise refusal(EXPIRED, "the token has expired") from error
    except (JoseError, ValueError) as error:
        raise refusal(TOKEN, "the token is not one of its issuer, or not meant for this gateway") from error
    return claims


def _registry(algorithms: Sequence[str]) -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)


def _claims_of(expected: Expectation, now: float) -> JWTClaimsRegistry:
    """`nbf` and `iat` are checked where they are there."""
    return JWTClaimsRegistry(
        now=int(now),
        leeway=int(expected.leeway),
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "values": list(expected.audiences)},
        exp={"essential": True},
    )


def _decode(part: str) -> dict[str, Any]:
    try:
        decoded = orjson.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise refusal(TOKEN, "the token is not a JWT") from error
    if not isinstance(decoded, dict):
        raise refusal(TOKEN, "the token is not a JWT")
    return decoded
