"""OpenAI's errors."""

import orjson

from fake_provider.exchange import Exchange
from fake_provider.refusal import Refusal

REQUEST_ID = "x-request-id"
BROKEN_OFF = Refusal("the fake provider broke off", status=500, code="fake_500")
TYPES = {429: "rate_limit_error"}


def describe(refusal: Refusal) -> dict[str, object]:
    by_class = "server_error" if refusal.status >= 500 else "invalid_request_error"
    kind = TYPES.get(refusal.status, by_class)
    return {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}


def error(refusal: Refusal) -> bytes:
    return orjson.dumps({"error": describe(refusal)})


def error_event(_exchange: Exchange) -> bytes:
    return b"data: %b\n\n" % error(BROKEN_OFF)
