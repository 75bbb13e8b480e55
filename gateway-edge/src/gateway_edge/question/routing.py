"""Which route answers for a public model name: one that its caller may use, or none that anybody could tell apart."""

from chassis.config import Catalog, Route
from chassis.errors import Reason, RunestoneError
from gateway_edge.callers.tenants import Principal


def find_route(catalog: Catalog, caller: Principal | None, model: str) -> Route | None:
    """The route of `model`; None when there is none, and when the caller may not use it. None as caller is bound by nothing."""
    if caller is not None and not caller.scope.allows_model(model):
        return None
    return catalog.find_route(model)


def require_route(catalog: Catalog, caller: Principal | None, model: str) -> Route:
    """As `find_route`. Raises MODEL_NOT_FOUND, in the same words for a model that does not exist and one that is another's."""
    route = find_route(catalog, caller, model)
    if route is None:
        message = f"the model {model!r} does not exist or you may not use it"
        raise RunestoneError(Reason.MODEL_NOT_FOUND, message, param="model")
    return route
