"""Responses that were stored: read, cancelled, forgotten."""

from typing import Any

import orjson

from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.refusal import demand


def _find(exchange: Exchange, at: int = -1) -> dict[str, Any]:
    """The response whose id is the path's part at `at`."""
    asked = exchange.path.split("/")[at]
    message = f"Response with id '{asked}' not found."
    demand(asked in exchange.memory.responses, message, status=404, param="id")
    return exchange.memory.responses[asked][0]


def get(exchange: Exchange) -> bytes:
    return orjson.dumps(_find(exchange))


def cancel(exchange: Exchange) -> bytes:
    response = _find(exchange, -2)
    demand(response["background"], "Cannot cancel a synchronous response.")
    response.update(status="cancelled", output=[], usage=None)
    return orjson.dumps(response)


def delete(exchange: Exchange) -> bytes:
    forgotten = _find(exchange)["id"]
    del exchange.memory.responses[forgotten]
    return orjson.dumps({"id": forgotten, "object": "response", "deleted": True})


GET, CANCEL, DELETE = (
    Dialect(
        name=f"{document.__name__} a response",
        request_id=errors.REQUEST_ID,
        error=errors.error,
        error_event=errors.error_event,
        document=document,
    )
    for document in (get, cancel, delete)
)
