"""The prompt cache: what was marked to be kept is written once and read from then on."""

from hashlib import blake2b
from typing import Any

import orjson

from fake_provider.anthropic.check import cacheable
from fake_provider.exchange import Exchange

CHARACTERS = 4  # a token's


def usage(exchange: Exchange) -> dict[str, Any]:
    """The prompt's tokens by what became of them. Without marks, what is wished."""
    blocks = cacheable(exchange.document)
    marked = [at for at, block in enumerate(blocks) if block.get("cache_control")]
    if exchange.document.get("cache_control") and blocks:
        marked.append(len(blocks) - 1)
    if not marked:
        wishes = exchange.wishes
        return _usage(wishes.input - wishes.cached, read=wishes.cached)
    return _use(exchange, blocks, marked)


def _use(exchange: Exchange, blocks: list[dict[str, Any]], marked: list[int]) -> dict[str, Any]:
    texts = [
        orjson.dumps({name: value for name, value in block.items() if name != "cache_control"}) for block in blocks
    ]
    kept = exchange.memory.prefixes
    prefixes = {at: _digest(exchange.model, texts[: at + 1]) for at in marked}
    known = max((at for at, prefix in prefixes.items() if prefix in kept), default=-1)
    kept.update(prefixes.values())
    last = marked[-1]
    is_long = (blocks[last].get("cache_control") or {}).get("ttl") == "1h"
    written = count(texts[known + 1 : last + 1])
    return _usage(max(1, count(texts[last + 1 :])), read=count(texts[: known + 1]), written=written, is_long=is_long)


def count(texts: list[bytes]) -> int:
    """Tokens, roughly."""
    return sum(map(len, texts)) // CHARACTERS


def _digest(model: str, texts: list[bytes]) -> bytes:
    return blake2b(b"\0".join([model.encode(), *texts])).digest()


def _usage(fresh: int, *, read: int = 0, written: int = 0, is_long: bool = False) -> dict[str, Any]:
    five, hour = (0, written) if is_long else (written, 0)
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
    }
