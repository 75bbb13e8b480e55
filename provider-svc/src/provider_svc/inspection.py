"""Which targets there are: those that the configuration names, and others that calls have asked. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from chassis.config.catalog import Catalog
from chassis.config.models import Target
from chassis.globs import Globs
from provider_svc.health.book import HealthBook
from provider_svc.health.breaker import State
from provider_svc.health.target import TargetHealth
from provider_svc.seats import Routes

WILD = "*"
LEFT_ALONE = frozenset({State.OPEN, State.EJECTED})


class Watched(NamedTuple):
    """A target, and its model as the configuration has it: the `label` is `*` for what clients name."""

    health: TargetHealth
    label: str


def list_targets(routes: Routes, book: HealthBook) -> list[Watched]:
    """All, by provider and model. Of providers that the configuration has no more, those where calls still run."""
    by_name: dict[tuple[str, str], Watched] = {}
    for _, target in list_named(routes.catalog):
        key = target.provider, target.model
        if WILD not in target.model and key not in by_name:
            health = book.look_at(routes.seats[target.provider].configured, target.model)
            by_name[key] = Watched(health, target.model)
    for health in book:
        key = health.provider, health.model
        if key not in by_name and (health.running or health.provider in routes.seats):
            by_name[key] = Watched(health, WILD)
    return [by_name[key] for key in sorted(by_name)]


def list_named(catalog: Catalog) -> Iterator[tuple[str, Target]]:
    """What each entry of `models` says of its targets; a model with a `*` is all that fit."""
    for name in catalog.names:
        route = catalog.find_route(name)
        assert route is not None, "a catalog finds its own names"
        yield from ((name, target) for target in route.targets)


class Leads:
    """Which entries of `models` lead to a target."""

    def __init__(self, catalog: Catalog) -> None:
        self._entries: dict[str, list[tuple[str, Globs, str]]] = {}
        for name, target in list_named(catalog):
            entry = (target.model.partition(WILD)[0], Globs([target.model]), name)
            self._entries.setdefault(target.provider, []).append(entry)

    def find(self, provider: str, model: str) -> list[str]:
        """Their names, each once, in their order; `<provider>/*` where there is none."""
        entries = self._entries.get(provider, ())
        found = [name for stem, models, name in entries if model.startswith(stem) and model in models]
        return list(dict.fromkeys(found)) or [f"{provider}/*"]


def add_up(targets: Sequence[Watched], now: float) -> Mapping[tuple[str, str], tuple[int, int]]:
    """By provider and label, how many calls run, and 1 where one of the targets is left alone."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for health, label in targets:
        running, is_open = sums.get((health.provider, label), (0, 0))
        alone = int(health.state(now) in LEFT_ALONE)
        sums[health.provider, label] = running + health.running, max(is_open, alone)
    return sums
