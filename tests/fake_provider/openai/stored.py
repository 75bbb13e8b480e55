"""Responses that were stored: read, also as a stream, cancelled, forgotten; what they answer."""

from collections.abc import Iterator

import orjson

from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.memory import Stored
from fake_provider.openai import errors, responses
from fake_provider.refusal import Refusal, demand

KNOWN = {
    "get": {"include[]", "include_obfuscation", "starting_after", "stream"},
    "input_items": {"include[]", "after", "before", "limit", "order"},
}
LIMIT = 20


def _find(exchange: Exchange) -> Stored:
    """The response whose id stands behind `/responses/`."""
    asked = exchange.path.rpartition("/responses/")[2].partition("/")[0]
    message = f"Response with id '{asked}' not found."
    demand(asked in exchange.memory.responses, message, status=404, param="id")
    return exchange.memory.responses[asked]


def _check_query(exchange: Exchange, action: str) -> None:
    for name in exchange.query:
        demand(name in KNOWN.get(action, ()), f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def get(exchange: Exchange) -> bytes:
    return orjson.dumps(_find(exchange).response)


def check_get(exchange: Exchange) -> None:
    _check_query(exchange, "get")
    _find(exchange)


def events(exchange: Exchange) -> Iterator[bytes]:
    """Those behind `starting_after`, in the numbers that they had."""
    after = int(exchange.query.get("starting_after", -1))
    for event in _find(exchange).events():
        if orjson.loads(event.partition(b"data: ")[2])["sequence_number"] > after:
            yield event


def cancel(exchange: Exchange) -> bytes:
    response = _find(exchange).response
    demand(response["background"], "Cannot cancel a synchronous response.")
    response.update(status="cancelled", output=[], usage=None)
    return orjson.dumps(response)


def delete(exchange: Exchange) -> bytes:
    forgotten = _find(exchange).response["id"]
    del exchange.memory.responses[forgotten]
    return orjson.dumps({"id": forgotten, "object": "response", "deleted": True})


def input_items(exchange: Exchange) -> bytes:
    """A page of what the response answers, the last first unless told otherwise."""
    query = exchange.query
    items = [_name(item, number) for number, item in enumerate(_find(exchange).inputs)]
    if query.get("order", "desc") == "desc":
        items.reverse()
    ids = [item["id"] for item in items]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    end = start + int(query.get("limit", LIMIT))
    page = items[start:end]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return orjson.dumps({"object": "list", "data": page, "has_more": end < len(items), **ends})


def _name(item: dict[str, object], number: int) -> dict[str, object]:
    """An input item as the API gives it back: with an id, a type, and its text in a part."""
    named = {"id": f"item_fake{number}", "type": "message", **item}
    if isinstance(named.get("content"), str):
        named["content"] = [{"type": "input_text", "text": named["content"]}]
    return named


def check_input_items(exchange: Exchange) -> None:
    _check_query(exchange, "input_items")
    try:
        is_in_bounds = 1 <= int(exchange.query.get("limit", LIMIT)) <= 100
    except ValueError:
        is_in_bounds = False
    if not is_in_bounds:
        raise Refusal("Invalid 'limit': expected an integer from 1 to 100.", param="limit")


CANCEL, DELETE = (
    Dialect(
        name=f"{document.__name__} a response",
        request_id=errors.REQUEST_ID,
        error=errors.error,
        error_event=errors.error_event,
        document=document,
    )
    for document in (cancel, delete)
)
INPUT_ITEMS = Dialect(
    name="input items of a response",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=input_items,
    check=check_input_items,
)
GET = Dialect(
    name="get a response",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=responses.error_event,
    document=get,
    events=events,
    is_end=responses.is_end,
    check=check_get,
)
