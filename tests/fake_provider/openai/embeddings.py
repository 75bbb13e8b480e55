"""Embeddings: of the same text always the same, of length 1."""

import base64
import struct
from hashlib import blake2b
from math import sqrt
from typing import Any

import orjson

from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.refusal import Refusal, demand, unknown

MEMBERS = frozenset(["dimensions", "encoding_format", "input", "model", "user"])
DIMENSIONS = 16
MOST_INPUTS = 2048


def check(exchange: Exchange) -> None:
    asked = exchange.document
    if exchange.wishes.strict and (name := unknown(asked, MEMBERS)):
        raise Refusal(f"Unrecognized request argument supplied: {name}")
    demand(exchange.model, "you must provide a model parameter")
    demand(asked.get("input"), "'input' is a required property", param="input")
    inputs = _inputs(asked)
    demand(all(inputs), "'input' cannot contain an empty string.", param="input")
    demand(len(inputs) <= MOST_INPUTS, f"'input' array must be {MOST_INPUTS} items or less.", param="input")
    encoding = asked.get("encoding_format", "float")
    demand(encoding in {"float", "base64"}, f"'{encoding}' is not one of ['float', 'base64']", param="encoding_format")


def document(exchange: Exchange) -> bytes:
    asked = exchange.document
    encode = _pack if asked.get("encoding_format") == "base64" else list
    inputs, size = _inputs(asked), asked.get("dimensions") or DIMENSIONS
    rows = [
        {"object": "embedding", "index": index, "embedding": encode(embed(text, size))}
        for index, text in enumerate(inputs)
    ]
    tokens = sum(len(one.split()) if isinstance(one, str) else len(one) for one in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": rows, "model": exchange.model}
    return orjson.dumps(body if exchange.wishes.no_usage else {**body, "usage": usage})


def _inputs(asked: dict[str, Any]) -> list[Any]:
    """One for each row: a text, several, a text's tokens, several of those."""
    given = asked["input"]
    return [given] if isinstance(given, str) or isinstance(given[0], int) else given


def embed(text: str | list[int], size: int) -> list[float]:
    """A unit vector, to the precision of float32."""
    seed = orjson.dumps(text)
    raw = [blake2b(seed, digest_size=2, salt=at.to_bytes(4, "big")).digest() for at in range(size)]
    numbers = [int.from_bytes(pair, "big") / 32768 - 1 or 1.0 for pair in raw]
    length = sqrt(sum(number * number for number in numbers))
    return list(struct.unpack(f"<{size}f", struct.pack(f"<{size}f", *(number / length for number in numbers))))


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


DIALECT = Dialect(
    name="openai embeddings",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
    check=check,
    plain={"input": "rain"},
)
