"""Whether a body is the one that `Content-Digest` names (RFC 9530)."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from gateway_edge.auth.refusal import SIGNATURE, refusal
from gateway_edge.auth.structured import read_dictionary

ALGORITHMS: dict[str, Callable[[bytes], Any]] = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
LARGE = 1 << 20  # bytes; a body above it is hashed in a thread, for the others' sake


async def check_digest(field: str, body: bytes) -> None:
    """Raises AUTHENTICATION_FAILED unless every digest of a known algorithm is the body's, and there is one."""
    if len(body) > LARGE:
        await asyncio.to_thread(compare_digests, field, body)
    else:
        compare_digests(field, body)


def compare_digests(field: str, body: bytes) -> None:
    """The same, at once. Digests of other algorithms are passed over (section 2)."""
    try:
        digests = read_dictionary(field)
    except ValueError as error:
        raise refusal(SIGNATURE, "the header content-digest must be a dictionary of RFC 9651") from error
    known = [(ALGORITHMS[name], value) for name, (value, _) in digests.items() if name in ALGORITHMS]
    if not known:
        raise refusal(SIGNATURE, f"the header content-digest needs one of: {', '.join(ALGORITHMS)}")
    if any(make(body).digest() != value for make, value in known):
        raise refusal(SIGNATURE, "the body is not the one that content-digest names")
