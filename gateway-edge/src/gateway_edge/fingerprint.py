"""The cache key of a question: SHA-256 over everything that may change its answer.

The whole canonical body counts, minus a short deny-list: an allow-list forgets a parameter sooner or later. Tenant,
dialect and route are part of it, so that no tenant finds another's answer and a changed route finds none of the old
ones. Parts are length-prefixed: no choice of names makes two questions collide.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from chassis.config import Route

SCHEMA_VERSION = b"1"

# Members that name the asker or label the call and cannot change what the model says.
DENIED = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key"})


def fingerprint(*, tenant: str, dialect: str, route: Route, document: Mapping[str, Any]) -> bytes:
    """The 32 bytes under which the answer to `document` is kept."""
    question = {name: value for name, value in document.items() if name not in DENIED}
    parts = (
        SCHEMA_VERSION,
        tenant.encode(),
        dialect.encode(),
        *_route_parts(route),
        orjson.dumps(question, option=orjson.OPT_SORT_KEYS),
    )
    return hash_parts(parts)


def hash_parts(parts: Iterable[bytes]) -> bytes:
    """SHA-256 over `parts`, each after its length in eight bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _route_parts(route: Route) -> Iterable[bytes]:
    yield route.name.encode()
    for target in route.targets:
        yield target.provider.encode()
        yield target.model.encode()
