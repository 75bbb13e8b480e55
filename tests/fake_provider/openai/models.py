"""Which models there are: one list, in OpenAI's form and in Anthropic's."""

from typing import Any

import orjson

from fake_provider.anthropic import errors as anthropic_errors
from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.openai.chat import CREATED
from fake_provider.refusal import demand


def document(exchange: Exchange) -> bytes:
    asked = _asked(exchange)
    if asked:
        return orjson.dumps(_model(asked))
    return orjson.dumps({"object": "list", "data": [_model(name) for name in exchange.memory.models]})


def _asked(exchange: Exchange) -> str:
    """The one model that is asked for; "" for all. Refuses one that there is not."""
    name = exchange.path.rpartition("/models")[2].removeprefix("/")
    missing = f"The model '{name}' does not exist"
    demand(not name or name in exchange.memory.models, missing, status=404, param="model", code="model_not_found")
    return name


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "fake"}


def anthropic_document(exchange: Exchange) -> bytes:
    asked = _asked(exchange)
    if asked:
        return orjson.dumps(_anthropic_model(asked))
    names = exchange.memory.models
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return orjson.dumps({"data": [_anthropic_model(name) for name in names], "has_more": False, **ends})


def _anthropic_model(name: str) -> dict[str, Any]:
    head = {"type": "model", "id": name, "display_name": name.title(), "created_at": "2027-01-15T08:00:00Z"}
    return {**head, "lifecycle": "active", "max_input_tokens": 200_000, "max_tokens": 64_000}


DIALECT = Dialect(
    name="openai models",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
)
ANTHROPIC = Dialect(
    name="anthropic models",
    request_id=anthropic_errors.REQUEST_ID,
    error=anthropic_errors.error,
    error_event=anthropic_errors.error_event,
    document=anthropic_document,
)
