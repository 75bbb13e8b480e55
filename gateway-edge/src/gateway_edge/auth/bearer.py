"""What stands behind `Authorization: Bearer` (RFC 6750): a key, or a token that somebody else issued."""

from collections.abc import Mapping

from gateway_edge.auth.refusal import KEY, refusal

SCHEME = "bearer"
TOKEN_BEGINS = "eyJ"  # noqa: S105  `{"` in base64


def bearer_of(headers: Mapping[str, str]) -> str | None:
    """The bearer's credentials; None without any. Raises AUTHENTICATION_FAILED for another scheme."""
    authorization = headers.get("authorization")
    if not authorization:
        return None
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != SCHEME:
        raise refusal(KEY, "the only authorization scheme taken is `Bearer`")
    return credentials.strip() or None


def looks_like_token(credentials: str | None) -> bool:
    """Whether they are a JSON Web Token, good or bad, rather than a key."""
    return credentials is not None and credentials.startswith(TOKEN_BEGINS) and credentials.count(".") == 2
