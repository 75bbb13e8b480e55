"""The cache key of a question: SHA-256 over everything that may change its answer.

The whole canonical body counts, minus a short deny-list: an allow-list forgets a parameter sooner or later. Tenant,
dialect and route are part of it, so that no tenant finds another's answer and a changed route finds none of the old
ones. Parts are length-prefixed: no choice of names makes two questions collide.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from chassis.config import Route
from gateway_edge.question.body import is_compact

SCHEMA_VERSION = b"2"
MAX_DEPTH = 200  # orjson writes 254 levels

_LONG_NUMBER = re.compile(rb"\d{19}")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"([ \t\r\n]*:)?')  # and whether it is a key

# Members that name the asker or label the call and cannot change what the model says.
DENIED = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key"})


def fingerprint(*, tenant: str, pipeline: bytes, dialect: str, route: Route, document: Mapping[str, Any]) -> bytes:
    """The 32 bytes under which the answer to `document` is kept. `pipeline` names one and what it consists of: another may
    change answers before they are kept, or behind that."""
    question = {name: value for name, value in document.items() if name not in DENIED}
    parts = (
        SCHEMA_VERSION,
        tenant.encode(),
        pipeline,
        dialect.encode(),
        *_route_parts(route),
        orjson.dumps(question, option=orjson.OPT_SORT_KEYS),
    )
    return hash_parts(parts)


def is_ambiguous(body: bytes, document: Mapping[str, Any]) -> bool:
    """Whether `document` may say less than `body`, of which it was decoded, so that two bodies could share a fingerprint.

    A key that stands twice in an inner object leaves fewer keys than the bytes show; an integer above 64 bits was rounded;
    nesting above what the canonical form can hold. Exact for keys; says yes to any nineteen digits in a row. A compact body, as
    most clients send, is what `document` is written as, byte for byte, and then has lost nothing.
    """
    return not is_compact(body, document) and _is_lossy(body, document)


def _is_lossy(body: bytes, document: Mapping[str, Any]) -> bool:
    return bool(_LONG_NUMBER.search(body)) or sum(map(bool, _STRING.findall(body))) != _count_keys(document, 0)


def _count_keys(value: object, depth: int) -> int:
    """The keys in all objects of `value`; -1 for what is nested too deeply."""
    if depth > MAX_DEPTH:
        return -1_000_000
    if isinstance(value, dict):
        return len(value) + sum(
            _count_keys(inner, depth + 1) for inner in value.values() if isinstance(inner, (dict, list))
        )
    if isinstance(value, list):
        return sum(_count_keys(inner, depth + 1) for inner in value if isinstance(inner, (dict, list)))
    return 0


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
