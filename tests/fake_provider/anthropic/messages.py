"""Messages."""

from collections.abc import Iterator
from typing import Any

import orjson

from fake_provider import seals
from fake_provider.answer import Answer, Call, Part, Speech, Thought, reply
from fake_provider.anthropic import cache, errors, question
from fake_provider.anthropic.check import check
from fake_provider.anthropic.thinking_check import MAKER
from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.sse import named

STOPS = {
    "end": "end_turn",
    "sequence": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "refusal",
    "filter": "refusal",
    "pause": "pause_turn",
    "context": "model_context_window_exceeded",
}
SOURCE = {
    "type": "web_search_result_location",
    "cited_text": "rain",
    "encrypted_index": "ZmFrZQ==",
    "title": "Rain",
    "url": "https://example.com/rain",
}


def document(exchange: Exchange) -> bytes:
    answer = _answer(exchange)
    blocks = [_whole(part, exchange) for part in _parts(answer)]
    return orjson.dumps(_message(exchange, _usage(exchange, answer), content=blocks, **_stop(answer)))


def _answer(exchange: Exchange) -> Answer:
    return reply(exchange, question.read)


def _parts(answer: Answer) -> list[Part]:
    """A refusal's words are not content: `stop_details` has them."""
    return [part for part in answer.parts if not (isinstance(part, Speech) and (part.is_refusal or not part.pieces))]


def _whole(part: Part, exchange: Exchange) -> dict[str, Any]:
    match part:
        case Thought(is_redacted=True):
            return {"type": "redacted_thinking", "data": seals.encrypt(MAKER, part.text)}
        case Thought():
            text = "" if _is_omitted(exchange) else part.text
            return {"type": "thinking", "thinking": text, "signature": seals.sign(MAKER, text)}
        case Call():
            return {"type": "tool_use", "id": _call_id(part), "name": part.name, "input": orjson.loads(part.text)}
        case Speech():
            return {"type": "text", "text": part.text, "citations": [SOURCE] if exchange.wishes.cite else None}


def _is_omitted(exchange: Exchange) -> bool:
    return (exchange.document.get("thinking") or {}).get("display") == "omitted"


def _call_id(call: Call) -> str:
    return call.id.replace("call_", "toolu_")


def _stop(answer: Answer) -> dict[str, Any]:
    reason = STOPS[answer.finish]
    words = "".join(part.text for part in answer.parts if isinstance(part, Speech) and part.is_refusal)
    details = {"type": "refusal", "category": None, "explanation": words or None} if reason == "refusal" else None
    return {"stop_reason": reason, "stop_sequence": answer.sequence, "stop_details": details}


def _usage(exchange: Exchange, answer: Answer) -> dict[str, Any]:
    return {**cache.usage(exchange), "output_tokens": answer.output_tokens, **_details(answer)}


def _details(answer: Answer) -> dict[str, Any]:
    return {"output_tokens_details": {"thinking_tokens": answer.reasoning_tokens}} if answer.reasoning_tokens else {}


def _message(exchange: Exchange, usage: dict[str, Any], **more: object) -> dict[str, object]:
    message: dict[str, object] = {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": exchange.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "service_tier": "standard"},
    }
    return {**message, **more}


def events(exchange: Exchange) -> Iterator[bytes]:
    """Events without what faults do to them; `message_stop` included."""
    answer, prompt = _answer(exchange), cache.usage(exchange)
    yield named({"type": "message_start", "message": _message(exchange, {**prompt, "output_tokens": 1})})
    for index, part in enumerate(_parts(answer)):
        at = {"index": index}
        yield named({"type": "content_block_start", **at, "content_block": _begun(part, exchange)})
        if index == 0:
            yield named({"type": "ping"})
        for delta in _deltas(part, exchange):
            yield named({"type": "content_block_delta", **at, "delta": delta})
        yield named({"type": "content_block_stop", **at})
    used = {"output_tokens": answer.output_tokens, **_details(answer)}
    yield named({"type": "message_delta", "delta": _stop(answer), "usage": used})
    yield named({"type": "message_stop"})


def _begun(part: Part, exchange: Exchange) -> dict[str, Any]:
    match part:
        case Thought(is_redacted=False):
            return {"type": "thinking", "thinking": "", "signature": ""}
        case Thought():
            return _whole(part, exchange)
        case Call():
            return {"type": "tool_use", "id": _call_id(part), "name": part.name, "input": {}}
        case Speech():
            return {"type": "text", "text": "", **({"citations": []} if exchange.wishes.cite else {})}


def _deltas(part: Part, exchange: Exchange) -> Iterator[dict[str, Any]]:
    match part:
        case Speech():
            yield from ({"type": "text_delta", "text": piece} for piece in part.pieces)
            if exchange.wishes.cite:
                yield {"type": "citations_delta", "citation": SOURCE}
        case Call():
            yield {"type": "input_json_delta", "partial_json": ""}
            pieces = [] if part.text == "{}" else part.pieces
            yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
        case Thought(is_redacted=False):
            if not _is_omitted(exchange):
                yield from ({"type": "thinking_delta", "thinking": piece} for piece in part.pieces)
            yield {"type": "signature_delta", "signature": _whole(part, exchange)["signature"]}


def is_end(event: bytes) -> bool:
    return event.startswith(b"event: message_stop")


DIALECT = Dialect(
    name="anthropic messages",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
    events=events,
    is_end=is_end,
    check=check,
)
