"""Which targets of a route are asked for a call, and in which order. Pure: the clock, health and lots come in."""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter

from chassis.config.catalog import Route
from chassis.config.models import Strategy
from provider_svc.routing.candidate import C, Candidate, Choice, Occasion, Ranking
from provider_svc.routing.needs import Needs
from provider_svc.routing.obstacles import Obstacle, find_obstacle, refusal
from provider_svc.routing.strategies import STRATEGIES, Order

_priority = attrgetter("target.priority")


def rank(  # noqa: PLR0917  the route, the call and the world: two of each
    route: Route,
    candidates: Sequence[C],
    needs: Needs | None,
    unit: bytes,
    draw: Callable[[], float],
    now: float,
) -> Ranking[C]:
    """The order of a route's candidates for a call. `needs`: None where they do not matter; `unit`: at most 64 bytes, empty for a call that
    sticks to nothing; `draw` gives numbers in [0, 1).

    First those that are well, by priority, within one by the strategy; as last resorts the others: what only has too much to do before
    what fails, the soonest back first. Raises INVALID_REQUEST when none can take such a request, MODEL_NOT_FOUND when none is ever asked.
    """
    able, excluded = sort_out(candidates, needs)
    if not able:
        raise refusal(route, [obstacle for _, obstacle in excluded])
    barred = tuple([(candidate.target, obstacle.why) for candidate, obstacle in excluded])
    if len(able) == 1:
        only = able[0]
        return Ranking((Choice(only, "only", not only.health.is_well(now)),), barred)
    why = strategy_of(route, unit)
    well, unwell = order(able, STRATEGIES[why], Occasion(needs, unit, draw, now))
    choices = [Choice(candidate, why, False) for candidate in well]
    choices += [Choice(candidate, why, True) for candidate in unwell]
    return Ranking(tuple(choices), barred)


def strategy_of(route: Route, unit: bytes) -> Strategy:
    """The strategy by which a call is routed: without something that sticks, stickiness is none."""
    strategy = route.entry.strategy
    return "weighted" if strategy == "sticky" and not unit else strategy


def sort_out(candidates: Sequence[C], needs: Needs | None) -> tuple[list[C], list[tuple[C, Obstacle]]]:
    """Those that can take a call with these needs, and the others with what keeps it from them."""
    able, excluded = [], []
    for candidate in candidates:
        obstacle = find_obstacle(candidate, needs)
        if obstacle is None:
            able.append(candidate)
        else:
            excluded.append((candidate, obstacle))
    return able, excluded


def order(able: Sequence[C], strategy: Order, occasion: Occasion) -> tuple[list[C], list[C]]:
    """Those that are well, and the last resorts, each in their order."""
    well: list[C] = []
    unwell: list[C] = []
    for candidate in able:
        (well if candidate.health.is_well(occasion.now) else unwell).append(candidate)
    unwell.sort(key=lambda candidate: _measure_illness(candidate, occasion.now))
    return _order_well(well, strategy, occasion), unwell


def _measure_illness(candidate: Candidate, now: float) -> tuple[float, float, int]:
    health = candidate.health
    return health.retry_at(now), health.well_at(now), candidate.target.priority


def _order_well(well: list[C], strategy: Order, occasion: Occasion) -> list[C]:
    if len({candidate.target.priority for candidate in well}) <= 1:
        return strategy(well, occasion)
    well.sort(key=_priority)
    return [found for _, group in groupby(well, _priority) for found in strategy(list(group), occasion)]
