"""One hash of several parts. Pure."""

import hashlib
from collections.abc import Iterable


def hash_parts(parts: Iterable[bytes]) -> bytes:
    """SHA-256 over `parts`, each after its length in eight bytes: no choice of parts makes two lists of them one."""
    return hashlib.sha256(b"".join([piece for part in parts for piece in (len(part).to_bytes(8), part)])).digest()
