"""`GET /v1/models` and `/v1/models/{id}`: the public names that the caller may use, as OpenAI or Anthropic list theirs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from chassis.config import Catalog, Route
from gateway_edge.call import Call
from gateway_edge.callers.tenants import Principal
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.routing import require_route

COLLECTION = "models"
VERSION_HEADER = "anthropic-version"  # which Anthropic's clients send, and no others
GATEWAY = "runestone"


class ModelShape(Protocol):
    """How a maker's clients read models."""

    def describe(self, name: str, route: Route) -> dict[str, Any]:
        """One model."""

    def list(self, models: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """All of them."""


class OpenAiModels:
    """OpenAI's. `created` in seconds since the epoch."""

    def __init__(self, created: int) -> None:
        self._created = created

    def describe(self, name: str, route: Route) -> dict[str, Any]:
        """Owned by the first provider that answers for it; one that an experiment answers for by the gateway."""
        owner = route.targets[0].provider if route.targets else GATEWAY
        return {"id": name, "object": "model", "created": self._created, "owned_by": owner}

    def list(self, models: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """All on one page."""
        return {"object": "list", "data": list(models)}


class AnthropicModels:
    """Anthropic's. `created` in seconds since the epoch."""

    def __init__(self, created: int) -> None:
        self._created_at = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")

    def describe(self, name: str, route: Route) -> dict[str, Any]:  # noqa: ARG002  a shape's signature
        """Shown by its public name."""
        return {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": self._created_at,
            "lifecycle": "active",
        }

    def list(self, models: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """All on one page."""
        ids = [model["id"] for model in models]
        ends = {"first_id": ids[0], "last_id": ids[-1]} if ids else {"first_id": None, "last_id": None}
        return {"data": list(models), "has_more": False, **ends}


class ListModels:
    """Answers out of the snapshot, clients of Anthropic's in Anthropic's shape. The list holds the names that stand for themselves; a name that a wildcard or
    `<provider>/<model>` covers is found by its id. `created` is when the snapshot came into force."""

    name = "list_models"

    def __init__(self, catalog: Catalog, created_at: float) -> None:
        self._catalog = catalog
        self._openai = OpenAiModels(int(created_at))
        self._anthropic = AnthropicModels(int(created_at))

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last of its pipeline
        """Sends the list, or one model."""
        _, _, model = call.arrival.endpoint.partition(f"/{COLLECTION}/")
        model = unquote(model)  # SDKs write the `/` of a name as `%2F`
        shape = self._anthropic if VERSION_HEADER in call.arrival.headers else self._openai
        document = self._one(shape, call.caller, model) if model else self._all(shape, call.caller)
        await call.reply.send(orjson.dumps(document))

    def _all(self, shape: ModelShape, caller: Principal) -> dict[str, Any]:
        names = (name for name in self._catalog.names if not name.endswith("*") and caller.scope.allows_model(name))
        return shape.list([self._one(shape, caller, name) for name in names])

    def _one(self, shape: ModelShape, caller: Principal, model: str) -> dict[str, Any]:
        return shape.describe(model, require_route(self._catalog, caller, model))
