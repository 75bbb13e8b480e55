"""Which target answers a public model name: the configuration's catalog, what the targets can do, then their weights."""

from chassis.config.catalog import Catalog, Route
from chassis.config.models import Target
from chassis.errors import Reason, RunestoneError


def find_route(catalog: Catalog, model: str) -> Route:
    """The route of `model`. Raises MODEL_NOT_FOUND when nothing answers for it."""
    route = catalog.find_route(model)
    if route is None or not route.targets:
        raise RunestoneError(Reason.MODEL_NOT_FOUND, f"no route answers for the model {model[:200]!r}", param="model")
    return route


def find_target_at(route: Route, model: str, provider: str) -> Target:
    """The heaviest target at one provider, also where it weighs nothing. Raises INVALID_REQUEST when the route has none there."""
    targets = [target for target in route.targets if target.provider == provider]
    if not targets:
        message = f"the provider {provider[:200]!r} has no target of {model[:200]!r}"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param="model")
    return max(targets, key=lambda target: target.weight)


def unspoken(model: str) -> RunestoneError:
    """INVALID_REQUEST for an endpoint that a target has not."""
    message = f"the target of {model[:200]!r} does not have this endpoint, and it cannot be translated"
    return RunestoneError(Reason.INVALID_REQUEST, message, param="model", code="unsupported_endpoint")
