"""`GET /v1/models` and `/v1/models/{id}`: the public names that the caller may use."""

from typing import Any
from urllib.parse import unquote

import orjson

from chassis.config import Catalog, Route
from gateway_edge.call import Call
from gateway_edge.callers.tenants import Principal
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.routing import require_route

COLLECTION = "models"


class ListModels:
    """Answers out of the snapshot. The list holds the names that stand for themselves; a name that a wildcard or
    `<provider>/<model>` covers is found by its id. `created` is when the snapshot came into force."""

    name = "list_models"

    def __init__(self, catalog: Catalog, created_at: float) -> None:
        self._catalog = catalog
        self._created = int(created_at)

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last of its pipeline
        """Sends the list, or one model."""
        _, _, model = call.arrival.endpoint.partition(f"/{COLLECTION}/")
        model = unquote(model)  # SDKs write the `/` of a name as `%2F`
        document = self._one(call.caller, model) if model else self._all(call.caller)
        await call.reply.send(orjson.dumps(document))

    def _all(self, caller: Principal) -> dict[str, Any]:
        names = (name for name in self._catalog.names if not name.endswith("*") and caller.scope.allows_model(name))
        return {"object": "list", "data": [self._one(caller, name) for name in names]}

    def _one(self, caller: Principal, model: str) -> dict[str, Any]:
        route = require_route(self._catalog, caller, model)
        return {"id": model, "object": "model", "created": self._created, "owned_by": _owner(route)}


def _owner(route: Route) -> str:
    return route.targets[0].provider
