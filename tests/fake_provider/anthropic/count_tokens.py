"""Counting a prompt's tokens."""

import orjson

from fake_provider.anthropic import cache, errors
from fake_provider.anthropic.check import cacheable, check_count
from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange


def document(exchange: Exchange) -> bytes:
    texts = [orjson.dumps(block) for block in cacheable(exchange.document)]
    return orjson.dumps({"input_tokens": max(1, cache.count(texts))})


DIALECT = Dialect(
    name="anthropic count_tokens",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
    check=check_count,
)
