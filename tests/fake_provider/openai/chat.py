"""Chat Completions."""

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import orjson

from fake_provider.answer import Answer, Call, Speech, Thought, reply
from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import chat_question, errors, logprobs
from fake_provider.openai.chat_check import check
from fake_provider.sse import DONE, data, is_done

CREATED = 1_800_000_000
FINISHES = {
    "end": "stop",
    "sequence": "stop",
    "length": "length",
    "tools": "tool_calls",
    "refusal": "stop",
    "filter": "content_filter",
    "pause": "stop",
    "context": "length",
}
SOURCE = {
    "type": "url_citation",
    "url_citation": {"url": "https://example.com/rain", "title": "Rain", "start_index": 0, "end_index": 4},
}


def document(exchange: Exchange) -> bytes:
    answer = _answer(exchange)
    choice = {
        "message": _message(answer, exchange),
        "logprobs": _all_logprobs(answer, exchange),
        "finish_reason": FINISHES[answer.finish],
    }
    count = exchange.document.get("n") or 1
    body = {**_head(exchange, "chat.completion"), "choices": [{"index": index, **choice} for index in range(count)]}
    return orjson.dumps(body if exchange.wishes.no_usage else {**body, "usage": usage(exchange, answer)})


def _answer(exchange: Exchange) -> Answer:
    return reply(exchange, chat_question.read)


def _message(answer: Answer, exchange: Exchange) -> dict[str, Any]:
    said = [part.text for part in answer.parts if isinstance(part, Speech) and not part.is_refusal]
    refused = [part.text for part in answer.parts if isinstance(part, Speech) and part.is_refusal]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said) if said else None}
    message["refusal"] = "".join(refused) if refused else None
    if calls := [part for part in answer.parts if isinstance(part, Call)]:
        message["tool_calls"] = [_call(call, call.text) for call in calls]
    if exchange.wishes.reasoning_field:
        thought = [part.text for part in answer.parts if isinstance(part, Thought)]
        message[exchange.wishes.reasoning_field] = "".join(thought)
    if exchange.wishes.cite:
        message["annotations"] = [SOURCE]
    return message


def _call(call: Call, text: str) -> dict[str, Any]:
    if call.is_custom:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": text}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}


def _all_logprobs(answer: Answer, exchange: Exchange) -> dict[str, Any] | None:
    pieces = [piece for part in answer.parts if isinstance(part, Speech) for piece in part.pieces]
    return _logprobs(pieces, exchange.document)


def _logprobs(pieces: list[str], asked: dict[str, Any]) -> dict[str, Any] | None:
    if not asked.get("logprobs"):
        return None
    return {"content": [logprobs.of_piece(piece, asked.get("top_logprobs") or 0) for piece in pieces], "refusal": None}


def events(exchange: Exchange) -> Iterator[bytes]:
    """Events without what faults do to them; `[DONE]` included."""
    wishes, head, answer = exchange.wishes, _head(exchange, "chat.completion.chunk"), _answer(exchange)
    options = exchange.document.get("stream_options") or {}
    in_own_chunk = options.get("include_usage") and not wishes.no_usage and not wishes.usage_on_last_choice
    always: dict[str, Any] = {"usage": None} if in_own_chunk else {}
    indices = range(int(exchange.document.get("n") or 1))

    def chunks(delta: dict[str, Any], finish: str | None = None, odds: Any = None, **more: object) -> Iterator[bytes]:
        for index in indices:
            choice = {"index": index, "delta": delta, "logprobs": odds, "finish_reason": finish}
            yield data({**head, "choices": [choice], **always, **more})

    yield from chunks({"role": "assistant", "content": ""})
    for delta, piece in _deltas(answer, exchange):
        yield from chunks(delta, odds=_logprobs([piece], exchange.document) if piece else None)
    counted = {"usage": usage(exchange, answer)} if wishes.usage_on_last_choice else {}
    yield from chunks({}, FINISHES[answer.finish], **counted)
    if in_own_chunk:
        yield data({**head, "choices": [], "usage": usage(exchange, answer)})
    yield DONE


def _deltas(answer: Answer, exchange: Exchange) -> Iterator[tuple[dict[str, Any], str]]:
    """Each delta, with the piece of text that it brings (what log probabilities are of)."""
    field = exchange.wishes.reasoning_field
    for part in answer.parts:
        if isinstance(part, Speech):
            yield from (({"refusal" if part.is_refusal else "content": piece}, piece) for piece in part.pieces)
        elif isinstance(part, Thought) and field:
            yield from (({field: piece}, "") for piece in part.pieces)
    if exchange.wishes.cite:
        yield {"annotations": [SOURCE]}, ""
    calls = [list(_call_deltas(index, call)) for index, call in enumerate(_calls(answer))]
    turns = chain.from_iterable(zip_longest(*calls)) if exchange.wishes.mixed else chain.from_iterable(calls)
    yield from (({"tool_calls": [delta]}, "") for delta in turns if delta is not None)


def _calls(answer: Answer) -> list[Call]:
    return [part for part in answer.parts if isinstance(part, Call)]


def _call_deltas(index: int, call: Call) -> Iterator[dict[str, Any]]:
    kind, member = ("custom", "input") if call.is_custom else ("function", "arguments")
    yield {"index": index, **_call(call, "")}
    for piece in call.pieces:
        yield {"index": index, kind: {member: piece}}


def usage(exchange: Exchange, answer: Answer) -> dict[str, object]:
    wishes = exchange.wishes
    return {
        "prompt_tokens": wishes.input,
        "completion_tokens": answer.output_tokens,
        "total_tokens": wishes.input + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": wishes.cached},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }


def _head(exchange: Exchange, kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-fake", "object": kind, "created": CREATED, "model": exchange.model}


DIALECT = Dialect(
    name="openai chat",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
    events=events,
    is_end=is_done,
    check=check,
)
