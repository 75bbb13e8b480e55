"""Rerank, as Cohere, Jina, vLLM and others have it: documents by how many of the query's words they hold."""

from typing import Any

import orjson

from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.refusal import demand


def check(exchange: Exchange) -> None:
    asked = exchange.document
    for name in ("model", "query", "documents"):
        demand(asked.get(name), f"Missing required parameter: '{name}'.", param=name)
    demand(asked.get("top_n") is None or asked["top_n"] >= 1, "top_n must be at least 1", param="top_n")


def document(exchange: Exchange) -> bytes:
    asked = exchange.document
    texts = [_text(given) for given in asked["documents"]]
    ranked = sorted(range(len(texts)), key=lambda index: (-_score(asked["query"], texts[index]), index))
    results: list[dict[str, Any]] = []
    for index in ranked[: asked.get("top_n")]:
        shown = {"document": {"text": texts[index]}} if asked.get("return_documents") else {}
        results.append({"index": index, "relevance_score": _score(asked["query"], texts[index]), **shown})
    tokens = sum(len(text.split()) for text in [asked["query"], *texts])
    counted = {
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }
    body = {"id": "rerank-fake", "model": exchange.model, "results": results}
    return orjson.dumps(body if exchange.wishes.no_usage else {**body, **counted})


def _text(given: Any) -> str:
    return given if isinstance(given, str) else str(given["text"])


def _score(query: str, text: str) -> float:
    asked = set(query.lower().split())
    return round(len(asked & set(text.lower().split())) / len(asked), 6) if asked else 0.0


DIALECT = Dialect(
    name="rerank",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
    check=check,
    plain={"query": "rain", "documents": ["rain"]},
)
