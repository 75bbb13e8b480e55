"""Which target answers a public model name: the configuration's catalog, then the targets' weights."""

from itertools import accumulate

from chassis.config.catalog import Catalog, Route
from chassis.config.schema import Target
from chassis.errors import Reason, RunestoneError


def find_target(catalog: Catalog, model: str, draw: float) -> Target:
    """The target for `model`. Raises MODEL_NOT_FOUND when nothing answers for it; `draw` is a number in [0, 1)."""
    route = catalog.find_route(model)
    if route is None or not route.targets:
        raise RunestoneError(Reason.MODEL_NOT_FOUND, f"no route answers for the model {model[:200]!r}", param="model")
    return choose_target(route, draw)


def choose_target(route: Route, draw: float) -> Target:
    """The target on which `draw` falls when each has its weight's share of [0, 1); weight 0 is never chosen."""
    if len(route.targets) == 1 and route.targets[0].weight > 0:
        return route.targets[0]
    bounds = list(accumulate(target.weight for target in route.targets))
    point = draw * bounds[-1]
    for target, bound in zip(route.targets, bounds, strict=True):
        if point < bound:
            return target
    raise RunestoneError(Reason.MODEL_NOT_FOUND, f"every target of {route.name!r} has weight 0", param="model")
