"""Anthropic's Messages, as far as a gateway looks at it."""

from collections.abc import Iterator

import orjson

from fake_provider.exchange import Exchange
from fake_provider.words import say

PATHS = ("/v1/messages",)
REQUEST_ID = "request-id"
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(status: int, message: str) -> bytes:
    fields = {"type": TYPES.get(status, "api_error"), "message": message}
    return orjson.dumps({"type": "error", "error": fields, "request_id": "req_fake"})


def document(exchange: Exchange) -> bytes:
    message = _message(exchange)
    message["content"] = [{"type": "text", "text": " ".join(say(exchange.wishes))}]
    message["stop_reason"] = "end_turn"
    message["usage"] = {**INPUT, "output_tokens": exchange.wishes.words}
    return orjson.dumps(message)


def events(exchange: Exchange) -> Iterator[bytes]:
    """Events without what faults do to them; `message_stop` included."""
    yield _event("message_start", message=_message(exchange))
    yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield _event("ping")
    for number, word in enumerate(say(exchange.wishes)):
        text = f" {word}" if number else word
        yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})
    yield _event("content_block_stop", index=0)
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage={"output_tokens": exchange.wishes.words})
    yield _event("message_stop")


def is_end(event: bytes) -> bool:
    return event.startswith(b"event: message_stop")


def error_event() -> bytes:
    return _event("error", error={"type": "overloaded_error", "message": "the fake provider broke off"})


INPUT = {"input_tokens": 7, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0}


def _message(exchange: Exchange) -> dict[str, object]:
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": exchange.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**INPUT, "output_tokens": 1},
    }


def _event(name: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **fields}))
