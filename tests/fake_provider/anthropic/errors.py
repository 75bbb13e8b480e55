"""Anthropic's errors."""

import orjson

from fake_provider.exchange import Exchange
from fake_provider.refusal import Refusal
from fake_provider.sse import named

REQUEST_ID = "request-id"
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error(refusal: Refusal) -> bytes:
    fields = {"type": TYPES.get(refusal.status, "api_error"), "message": refusal.message}
    return orjson.dumps({"type": "error", "error": fields, "request_id": "req_fake"})


def error_event(_exchange: Exchange) -> bytes:
    return named({"type": "error", "error": {"type": "overloaded_error", "message": "the fake provider broke off"}})
