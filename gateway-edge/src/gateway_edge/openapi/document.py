"""The OpenAPI document as this package ships it. Its sources are in `gateway-edge/openapi`; `make openapi` writes it anew."""

from functools import cache
from importlib.resources import files
from typing import Any

import orjson


@cache
def read_document() -> dict[str, Any]:
    """The document. Everybody is given the same one: it is not to be changed."""
    document: dict[str, Any] = orjson.loads((files(__package__) / "document.json").read_bytes())
    return document


@cache
def published() -> bytes:
    """The document as it is sent."""
    return orjson.dumps(read_document())
