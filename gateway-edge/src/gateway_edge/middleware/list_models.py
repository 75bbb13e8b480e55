"""`GET /v1/models` and `/v1/models/{id}`: the public names that the caller may use."""

from typing import Any

import orjson

from chassis.config import Catalog, Route
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed

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
        document = self._one(model) if model else self._all()
        await call.reply.send(orjson.dumps(document))

    def _all(self) -> dict[str, Any]:
        names = (name for name in self._catalog.names if not name.endswith("*"))
        return {"object": "list", "data": [self._one(name) for name in names]}

    def _one(self, model: str) -> dict[str, Any]:
        route = self._catalog.find_route(model)
        if route is None:
            message = f"the model {model!r} does not exist or you may not use it"
            raise RunestoneError(Reason.MODEL_NOT_FOUND, message, param="model")
        return {"id": model, "object": "model", "created": self._created, "owned_by": _owner(route)}


def _owner(route: Route) -> str:
    return route.targets[0].provider
