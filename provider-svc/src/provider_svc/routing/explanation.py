"""What routing would do with a call and why, for people: the same as a ranking, with its numbers. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from chassis.billing.price import price, spell_dollars
from chassis.config.catalog import Route
from chassis.config.models import Strategy, Target
from provider_svc.routing.candidate import Candidate, Occasion
from provider_svc.routing.needs import Needs
from provider_svc.routing.ranking import order, sort_out, strategy_of
from provider_svc.routing.strategies import STRATEGIES, expect_usage

Group = Sequence[Candidate]  # those of one priority that are well, in their order


class Explanation(NamedTuple):
    """`is_eligible`: whether it would be asked at all; `why` it stands where it stands, or is not asked."""

    target: Target
    is_eligible: bool
    why: str


def explain(  # noqa: PLR0917  as `rank`
    route: Route,
    candidates: Sequence[Candidate],
    needs: Needs | None,
    unit: bytes,
    draw: Callable[[], float],
    now: float,
) -> list[Explanation]:
    """All candidates of a route, in the order in which `rank` has them; those that cannot be asked come last. Raises nothing."""
    able, excluded = sort_out(candidates, needs)
    strategy, occasion = strategy_of(route, unit), Occasion(needs, unit, draw, now)
    well, unwell = order(able, STRATEGIES[strategy], occasion)
    explained = [Explanation(one.target, True, _why(one, route, strategy, well, occasion)) for one in well]
    explained += [Explanation(one.target, True, _why_last(one, now)) for one in unwell]
    return explained + [Explanation(one.target, False, obstacle.why) for one, obstacle in excluded]


def _why(candidate: Candidate, route: Route, strategy: Strategy, well: Group, occasion: Occasion) -> str:
    priority = candidate.target.priority
    group = [other for other in well if other.target.priority == priority]
    why = _WHYS[strategy](candidate, group, occasion) if len(group) > 1 else "the only one that is well"
    if strategy == "sticky" and len(group) > 1:
        why = f"{why} {route.entry.sticky_by}"
    return f"priority {priority}: {why}" if len(group) < len(well) or priority else why


def _why_last(candidate: Candidate, now: float) -> str:
    wait = max(0.0, candidate.health.retry_at(now) - now)
    if not wait and candidate.health.admits(now):
        wait = candidate.health.well_at(now) - now
        return f"says that it has too much to do, first again in {wait:.1f} s: a last resort"
    return f"left alone after failures, opens again in {wait:.1f} s: a last resort"


def _weighted(candidate: Candidate, group: Group, _occasion: Occasion) -> str:
    return f"weight {candidate.target.weight} of {sum(other.target.weight for other in group)}"


def _least_in_flight(candidate: Candidate, group: Group, occasion: Occasion) -> str:
    return f"{candidate.health.running} in flight, {_weighted(candidate, group, occasion)}"


def _peak_ewma(candidate: Candidate, group: Group, occasion: Occasion) -> str:
    running, first_byte = candidate.health.running, candidate.health.first_byte(occasion.now)
    if first_byte is None:
        seen = "no answer seen yet" if not running else f"its first answer is awaited, {running} in flight"
    else:
        seen = f"first byte {first_byte:.2f} s x {running + 1} in flight with this one"
    return f"{seen}, {_weighted(candidate, group, occasion)}"


def _cheapest(candidate: Candidate, _group: Group, occasion: Occasion) -> str:
    rates = candidate.find_rates()
    cost = price(rates, expect_usage(occasion)) if rates is not None else None
    return "its price is not known" if cost is None else f"about ${spell_dollars(_round(cost))}"


def _sticky(candidate: Candidate, group: Group, _occasion: Occasion) -> str:
    place = next(place for place, other in enumerate(group) if other is candidate)
    return "sticky: owns this" if not place else "sticky: next for this"


def _round(cost: int) -> int:
    """To two digits: it is a guess."""
    return int(round(cost, 2 - len(str(cost))))


_WHYS: Mapping[Strategy, Callable[[Candidate, Group, Occasion], str]] = {
    "weighted": _weighted,
    "least_in_flight": _least_in_flight,
    "peak_ewma": _peak_ewma,
    "cheapest": _cheapest,
    "sticky": _sticky,
}
