"""Which targets there are: those that the configuration names, and others that calls have asked. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from chassis.config.catalog import Catalog
from chassis.globs import Globs
from provider_svc.health.book import HealthBook
from provider_svc.health.breaker import State
from provider_svc.health.target import TargetHealth
from provider_svc.seats import Routes

WILD = "*"
LEFT_ALONE = frozenset({State.OPEN, State.EJECTED})


class Watched(NamedTuple):
    """A target, and the entries of `models` that may lead to it, or `<provider>/*`. `label` is its model as the configuration has it, `*` for
    what clients name."""

    health: TargetHealth
    routes: Sequence[str]
    label: str


class Named(NamedTuple):
    """A target as an entry of `models` writes it: with a `*` it is all `models` that fit."""

    route: str
    provider: str
    model: str
    models: Globs


def list_targets(routes: Routes, book: HealthBook) -> list[Watched]:
    """All, by provider and model. Of providers that the configuration has no more, those where calls still run."""
    named = list(list_named(routes.catalog))
    by_name: dict[tuple[str, str], Watched] = {}
    for one in named:
        key = one.provider, one.model
        if WILD not in one.model and key not in by_name:
            health = book.look_at(routes.seats[one.provider].configured, one.model)
            by_name[key] = Watched(health, find_routes(named, *key), one.model)
    for health in book:
        key = health.provider, health.model
        if key not in by_name and (health.running or health.provider in routes.seats):
            found = find_routes(named, *key) or [f"{health.provider}/*"]
            by_name[key] = Watched(health, found, WILD)
    return [by_name[key] for key in sorted(by_name)]


def list_named(catalog: Catalog) -> Iterator[Named]:
    """What each entry of `models` says of its targets."""
    for name in catalog.names:
        route = catalog.find_route(name)
        assert route is not None, "a catalog finds its own names"
        yield from (Named(name, one.provider, one.model, Globs([one.model])) for one in route.targets)


def find_routes(named: Sequence[Named], provider: str, model: str) -> list[str]:
    """The entries that may lead to a target, in their order, each once."""
    found = (one.route for one in named if one.provider == provider and model in one.models)
    return list(dict.fromkeys(found))


def add_up(targets: Sequence[Watched], now: float) -> Mapping[tuple[str, str], tuple[int, int]]:
    """By provider and label, how many calls run, and 1 where one of the targets is left alone."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for health, _, label in targets:
        running, is_open = sums.get((health.provider, label), (0, 0))
        alone = int(health.state(now) in LEFT_ALONE)
        sums[health.provider, label] = running + health.running, max(is_open, alone)
    return sums
