"""The cache key of a question: SHA-256 over everything that may change its answer.

The whole canonical body counts, minus a short deny-list: an allow-list forgets a parameter sooner or later. Whose it is, dialect and
route are part of it, so that no tenant finds another's answer and a changed route finds none of the old ones. Parts are
length-prefixed: no choice of names makes two questions collide. The canonical form has its keys sorted and no whitespace, and a
whole number is written as one (`0.0` is `0`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from chassis.config import Route
from chassis.hashing import hash_parts
from gateway_edge.question.body import is_compact

SCHEMA_VERSION = b"3"
MAX_DEPTH = 200  # orjson writes 254 levels

_LONG_NUMBER = re.compile(rb"\d{19}")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"([ \t\r\n]*:)?')  # and whether it is a key

_WHOLE_FLOAT = re.compile(rb"\d\.0[,\]}]")  # what a float that is a whole number is written as, up to `EXACT`
EXACT = float(1 << 53)  # up to here a float that is a whole number is that number

# Members that cannot change what the model says: they name the asker, label the call, or say in which form the answer goes out and
# whether it is kept.
DENIED = frozenset({
    "cache",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream",
    "stream_options",
    "user",
})  # fmt: skip

# Where one answer serves no other form than its own, the form is part of the question.
DENIED_IN_ANY_FORM = DENIED - {"stream", "stream_options"}
# Where an answer says again who asked and how the call was labelled, only they may be given it.
DENIED_WHERE_ECHOED = frozenset({"cache"})


def fingerprint(
    *,
    owner: Sequence[str],
    pipeline: bytes,
    dialect: str,
    route: Route,
    document: Mapping[str, Any],
    denied: frozenset[str] = DENIED,
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The 32 bytes under which the answer to `document` is kept. `owner` is who shares it: of what kind, and its names.
    `pipeline` names one and what it consists of: another may change answers before they are kept, or behind that. `denied` members
    do not count; `headers` are those that go to the provider."""
    question = {name: value for name, value in document.items() if name not in denied}
    sent = [text.encode("utf-8", "surrogateescape") for header in headers for text in header]
    parts = (
        SCHEMA_VERSION,
        hash_parts(map(str.encode, owner)),
        pipeline,
        dialect.encode(),
        hash_parts(_route_parts(route)),
        write_canonical(question),
        *([hash_parts(sent)] if sent else ()),
    )
    return hash_parts(parts)


def write_canonical(question: Mapping[str, Any]) -> bytes:
    """A question's one spelling. Few have a number that has to be looked for."""
    canonical = orjson.dumps(question, option=orjson.OPT_SORT_KEYS)
    if b".0" in canonical and _WHOLE_FLOAT.search(canonical):
        return orjson.dumps(_spell(question), option=orjson.OPT_SORT_KEYS)
    return canonical


def _spell(value: object) -> object:
    """A value with every float that is a whole number as that number."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT else value
    if isinstance(value, Mapping):
        return {name: _spell(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_spell(inner) for inner in value]
    return value


def is_ambiguous(body: bytes, document: Mapping[str, Any]) -> bool:
    """Whether `document` may say less than `body`, of which it was decoded, so that two bodies could share a fingerprint.

    A key that stands twice in an inner object leaves fewer keys than the bytes show; an integer above 64 bits was rounded;
    nesting above what the canonical form can hold. Exact for keys; says yes to any nineteen digits in a row that stand in no text:
    one may hold a time in nanoseconds or an id, and loses nothing. A compact body, as most clients send, is what `document` is
    written as, byte for byte, and then has lost nothing.
    """
    return not is_compact(body, document) and _is_lossy(body, document)


def _is_lossy(body: bytes, document: Mapping[str, Any]) -> bool:
    return _has_long_number(body) or sum(map(bool, _STRING.findall(body))) != _count_keys(document, 0)


def _has_long_number(body: bytes) -> bool:
    """Few bodies have so many digits in a row that it must be seen whether they stand in a text."""
    return _LONG_NUMBER.search(body) is not None and _LONG_NUMBER.search(_STRING.sub(b'""', body)) is not None


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


def _route_parts(route: Route) -> Iterable[bytes]:
    yield route.name.encode()
    yield b"strict" if route.is_strict else b""
    for target in route.targets:
        yield target.provider.encode()
        yield target.model.encode()
