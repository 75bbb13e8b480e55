"""The public keys of an issuer: a JWKS (RFC 7517), of which the keys are taken that can be used here."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

MOST_KEYS = 100
SMALLEST_RSA = 2048  # bits (NIST SP 800-131A)
ASYMMETRIC = ("RSA", "EC", "OKP")  # never `oct`: a public document holds no secret

PublicKey = RSAKey | ECKey | OKPKey


class PublicKeys:
    """Keys by their id. Raises ValueError for what is no JWKS, or has no key that can be used; one key that cannot be used is
    passed over."""

    def __init__(self, document: bytes | str) -> None:
        self._keys = list(_import_keys(_read_members(document)))
        if not self._keys:
            raise ValueError("the key set has no key that can be used")

    def find(self, kid: str | None) -> PublicKey | None:
        """The key that a token names; where it names none, the only key there is."""
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.kid == kid), None)

    def __repr__(self) -> str:
        return f"PublicKeys({', '.join(str(key.kid) for key in self._keys)})"


def _read_members(document: bytes | str) -> list[Any]:
    decoded = orjson.loads(document)
    members = decoded.get("keys") if isinstance(decoded, dict) else None
    if not isinstance(members, list) or len(members) > MOST_KEYS:
        raise ValueError(f"the key set must be an object with `keys`, at most {MOST_KEYS}")
    return members


def _import_keys(members: list[Any]) -> Iterator[PublicKey]:
    for member in members:
        if isinstance(member, dict) and member.get("kty") in ASYMMETRIC and member.get("use", "sig") == "sig":
            try:
                key = None if _is_weak(member) else JWKRegistry.import_key(member)
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            if isinstance(key, PublicKey):
                yield key


def _is_weak(member: Mapping[str, Any]) -> bool:
    """Whether an RSA modulus is too short. Raises ValueError, KeyError, TypeError when it is none."""
    if member["kty"] != "RSA":
        return False
    modulus: str = member["n"]
    decoded = base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))
    return int.from_bytes(decoded).bit_length() < SMALLEST_RSA
