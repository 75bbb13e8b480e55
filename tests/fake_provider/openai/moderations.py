"""Moderations: a text is what it says it is, so one with the word "violence" is flagged as violence."""

from typing import Any

import orjson

from fake_provider import media
from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.refusal import demand

CATEGORIES = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
]


def check(exchange: Exchange) -> None:
    demand(exchange.document.get("input"), "Missing required parameter: 'input'.", param="input")


def document(exchange: Exchange) -> bytes:
    results = [_judge(text, kinds) for text, kinds in _inputs(exchange.document["input"])]
    return orjson.dumps({"id": "modr-fake", "model": exchange.model or "omni-moderation-latest", "results": results})


def _inputs(given: Any) -> list[tuple[str, list[str]]]:
    """Each text with the kinds of input that it is; parts are judged as one."""
    if isinstance(given, str):
        return [(given, ["text"])]
    if isinstance(given[0], str):
        return [(text, ["text"]) for text in given]
    kinds = sorted({"text" if part["type"] == "text" else "image" for part in given})
    return [(" ".join(_text(part) for part in given), kinds)]


def _text(part: dict[str, Any]) -> str:
    return str(part["text"]) if part["type"] == "text" else media.see_url(part["image_url"]["url"])


def _judge(text: str, kinds: list[str]) -> dict[str, Any]:
    found = {category: category in text.lower() for category in CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {category: 0.99 if is_found else 0.01 for category, is_found in found.items()},
        "category_applied_input_types": dict.fromkeys(CATEGORIES, kinds),
    }


DIALECT = Dialect(
    name="openai moderations",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
    check=check,
    plain={"input": "rain"},
)
