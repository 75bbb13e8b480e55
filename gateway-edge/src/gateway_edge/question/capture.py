"""Which questions audit records may hold. Pure."""

from typing import Any

from msgspec import DecodeError, Struct
from msgspec.json import decode

from gateway_edge.caching.controls import read_header

LONGEST = 64 << 10  # bytes; a part of a question would be none
NO_STORE = "no-store"


class _Wishes(Struct):
    """What a body says of being kept: OpenAI's `store`, and LiteLLM's `cache`."""

    store: Any = None
    cache: Any = None


def question_to_keep(body: bytes | None, cache_control: str) -> bytes:
    """`body`, where it may be kept; empty where the client forbids it (`cache-control: no-store`, `"store": false`,
    `"cache": {"no-store": true}`), where it is longer than 64 KiB, and where it is no JSON object."""
    if not body or len(body) > LONGEST or read_header(cache_control).no_store:
        return b""
    try:
        wishes = decode(body, type=_Wishes)
    except DecodeError:
        return b""
    is_kept_back = isinstance(wishes.cache, dict) and bool(wishes.cache.get(NO_STORE))
    return b"" if wishes.store is False or is_kept_back else body
