"""OpenAI's Chat Completions, as far as a gateway looks at it."""

from collections.abc import Iterator

import orjson

from fake_provider.exchange import Exchange
from fake_provider.wishes import Wishes
from fake_provider.words import say

PATHS = ("/v1/chat/completions", "/chat/completions")
REQUEST_ID = "x-request-id"


def error(status: int, message: str) -> bytes:
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    return orjson.dumps({"error": {"message": message, "type": kind, "param": None, "code": f"fake_{status}"}})


def document(exchange: Exchange) -> bytes:
    wishes = exchange.wishes
    message = {"role": "assistant", "content": " ".join(say(wishes)), "refusal": None}
    body = {
        **_head(exchange, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
    }
    return orjson.dumps(body if wishes.no_usage else {**body, "usage": usage(wishes)})


def events(exchange: Exchange) -> Iterator[bytes]:
    """Events without what faults do to them; `[DONE]` included."""
    wishes, head = exchange.wishes, _head(exchange, "chat.completion.chunk")
    options = exchange.document.get("stream_options") or {}
    in_own_chunk = options.get("include_usage") and not wishes.no_usage and not wishes.usage_on_last_choice

    def chunk(delta: dict[str, object], finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**head, "choices": [choice], **({"usage": None} if in_own_chunk else {}), **more})

    yield chunk({"role": "assistant", "content": ""})
    for number, word in enumerate(say(wishes)):
        yield chunk({"content": f" {word}" if number else word})
    yield chunk({}, "stop", **({"usage": usage(wishes)} if wishes.usage_on_last_choice else {}))
    if in_own_chunk:
        yield _data({**head, "choices": [], "usage": usage(wishes)})
    yield b"data: [DONE]\n\n"


def is_end(event: bytes) -> bool:
    return event.startswith(b"data: [DONE]")


def error_event() -> bytes:
    return b"data: %b\n\n" % error(500, "the fake provider broke off")


def usage(wishes: Wishes) -> dict[str, object]:
    return {
        "prompt_tokens": 11,
        "completion_tokens": wishes.words,
        "total_tokens": 11 + wishes.words,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _head(exchange: Exchange, kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 1_800_000_000, "model": exchange.model}


def _data(value: object) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(value)
