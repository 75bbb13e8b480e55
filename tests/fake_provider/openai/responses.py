"""Responses."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import orjson

from fake_provider.answer import Answer, reply
from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.memory import Stored
from fake_provider.openai import errors, responses_question
from fake_provider.openai.responses_check import check
from fake_provider.openai.responses_items import Item
from fake_provider.sse import named

CREATED = 1_800_000_000
INCOMPLETE = {"length": "max_output_tokens", "context": "max_output_tokens", "filter": "content_filter"}
ENDS = tuple(b"event: response.%b\n" % name for name in (b"completed", b"incomplete", b"failed"))

# What a response repeats of its request, and what it says where that said nothing.
REPEATED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def document(exchange: Exchange) -> bytes:
    answer = _answer(exchange)
    whole = _whole(exchange, answer)
    _store(exchange, whole)
    if exchange.document.get("background"):
        return orjson.dumps(_response(exchange, "queued"))
    return orjson.dumps(whole)


def _answer(exchange: Exchange) -> Answer:
    return reply(exchange, responses_question.read)


def _items(exchange: Exchange, answer: Answer) -> list[Item]:
    last = len(answer.parts) - 1
    return [
        Item(exchange, index, part, is_whole=index < last or answer.finish not in INCOMPLETE)
        for index, part in enumerate(answer.parts)
    ]


def _whole(exchange: Exchange, answer: Answer) -> dict[str, Any]:
    reason = INCOMPLETE.get(answer.finish)
    ended: dict[str, Any] = {
        "output": [item.whole() for item in _items(exchange, answer)],
        "usage": None if exchange.wishes.no_usage else _usage(exchange, answer),
    }
    if reason is None:
        return _response(exchange, "completed", **ended, completed_at=CREATED + 1)
    return _response(exchange, "incomplete", **ended, incomplete_details={"reason": reason})


def _usage(exchange: Exchange, answer: Answer) -> dict[str, object]:
    wishes = exchange.wishes
    return {
        "input_tokens": wishes.input,
        "input_tokens_details": {"cached_tokens": wishes.cached, "cache_write_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        "total_tokens": wishes.input + answer.output_tokens,
    }


def _response(exchange: Exchange, status: str, **more: object) -> dict[str, Any]:
    asked = exchange.document
    said = {name: asked[name] if asked.get(name) is not None else value for name, value in REPEATED.items()}
    head = {
        "id": f"resp_fake{exchange.number}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": exchange.model,
        "output": [],
        "usage": None,
    }
    return {**head, **said, **more}


def _store(exchange: Exchange, response: dict[str, Any]) -> None:
    if exchange.document.get("store") is not False:
        inputs = responses_question.items_of(exchange)
        exchange.memory.responses[response["id"]] = Stored(response, inputs, partial(_events, exchange))


def events(exchange: Exchange) -> Iterator[bytes]:
    """Events without what faults do to them, each numbered; the end included. What is to be stored is so from the first on."""
    _store(exchange, _response(exchange, "in_progress"))
    for event in _events(exchange):
        if is_end(event):
            _store(exchange, _whole(exchange, _answer(exchange)))
        yield event


def _events(exchange: Exchange) -> Iterator[bytes]:
    answer, numbers = _answer(exchange), count()
    begun = _response(exchange, "in_progress")
    for kind in ("response.created", "response.in_progress"):
        yield named({"type": kind, "response": begun, "sequence_number": next(numbers)})
    for item in _items(exchange, answer):
        yield from (named({**event, "sequence_number": next(numbers)}) for event in item.events())
    whole = _whole(exchange, answer)
    yield named({"type": f"response.{whole['status']}", "response": whole, "sequence_number": next(numbers)})


def is_end(event: bytes) -> bool:
    return event.startswith(ENDS)


def error_event(exchange: Exchange) -> bytes:
    said = {"code": "server_error", "message": errors.BROKEN_OFF.message, "param": None}
    return named({"type": "error", **said, "sequence_number": exchange.wishes.error_event})


def failed_event(exchange: Exchange) -> bytes:
    error = {"code": "server_error", "message": errors.BROKEN_OFF.message}
    failed = _response(exchange, "failed", error=error)
    return named({"type": "response.failed", "response": failed, "sequence_number": exchange.wishes.failed_event})


DIALECT = Dialect(
    name="openai responses",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=error_event,
    document=document,
    events=events,
    is_end=is_end,
    check=check,
    failed_event=failed_event,
)
