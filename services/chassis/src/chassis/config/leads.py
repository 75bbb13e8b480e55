"""What must hold of rules and experiments: they can be computed, and lead somewhere, in no circle, through one experiment at most."""

from collections import Counter
from collections.abc import Iterator, Mapping

from chassis.config.catalog import Catalog
from chassis.config.document import Finding, KeyPath
from chassis.config.models import MOST_LEADS, Model
from chassis.config.schema import Settings

Ways = Mapping[str, list[str]]  # from each entry of `models` to those that it leads to


def check_leads(settings: Settings) -> Iterator[Finding]:
    """Everything in `models[].rules` and `models[].experiment` that could not be followed."""
    catalog = Catalog(settings.models, settings.providers)
    for index, model in enumerate(settings.models):
        yield from _check_rules(model, ("models", index, "rules"))
        yield from _check_experiment(model, ("models", index, "experiment"))
        for path, use in _list_leads(model):
            if "*" in use:
                yield ("models", index, *path), "must name one model, without `*`"
            elif catalog.find_route(use) is None:
                yield ("models", index, *path), f"there is no model {use!r}"
        yield from _check_fallbacks(model, settings, ("models", index, "fallbacks"))
    yield from _check_namesakes(settings)
    yield from _check_ways(settings, catalog)


def _check_rules(model: Model, path: KeyPath) -> Iterator[Finding]:
    if not model.rules:
        return
    # Routing stands on the configuration's types, and is loaded where there is something to route.
    from chassis.routing.expressions import Expression, ExpressionError  # noqa: PLC0415
    from chassis.routing.facts import SAMPLE, VARIABLES  # noqa: PLC0415

    for number, rule in enumerate(model.rules):
        try:
            Expression(rule.when, VARIABLES).judge(SAMPLE)
        except ExpressionError as error:
            yield (*path, number, "when"), str(error)


def _check_experiment(model: Model, path: KeyPath) -> Iterator[Finding]:
    if model.experiment is None:
        return
    arms = model.experiment.arms
    if not any(arm.weight for arm in arms):
        yield (*path, "arms"), "every weight is 0"
    counts = Counter(arm.name for arm in arms)
    for number, arm in enumerate(arms):
        if counts[arm.name] > 1:
            yield (*path, "arms", number, "name"), f"{arm.name!r} stands {counts[arm.name]} times"


def _check_fallbacks(model: Model, settings: Settings, path: KeyPath) -> Iterator[Finding]:
    """Rules and experiments are followed for the model that is asked only."""
    hollow = {other.name for other in settings.models if other.experiment and not other.targets}
    for number, fallback in enumerate(model.fallbacks):
        if fallback in hollow:
            yield (
                (*path, number),
                f"{fallback!r} has an experiment and no targets of its own; name one of its arms' models",
            )


def _check_namesakes(settings: Settings) -> Iterator[Finding]:
    """Records and metrics tell experiments apart by name."""
    counts = Counter(model.experiment.name for model in settings.models if model.experiment)
    for index, model in enumerate(settings.models):
        if model.experiment and counts[model.experiment.name] > 1:
            name = model.experiment.name
            yield ("models", index, "experiment", "name"), f"{name!r} stands {counts[name]} times"


def _check_ways(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    entries = {model.name: model for model in settings.models}
    ways = {model.name: _find_entries(dict(_list_leads(model)), catalog, entries) for model in settings.models}
    circles = {name: circle for name in ways if (circle := _find_circle(name, ways))}
    for index, model in enumerate(settings.models):
        if model.name in circles:
            yield ("models", index), f"leads back to itself: {' -> '.join(circles[model.name])}"
        elif not circles and _is_too_long(model.name, ways):
            yield ("models", index), f"leads over more than {MOST_LEADS} models"
        elif inner := _find_inner(_find_entries(_list_arms(model), catalog, entries), ways, entries):
            message = f"leads to the experiment of {inner!r}; a call is part of one at most"
            yield ("models", index, "experiment"), message


def _list_leads(model: Model) -> Iterator[tuple[KeyPath, str]]:
    for number, rule in enumerate(model.rules):
        yield ("rules", number, "use"), rule.use
    yield from _list_arms(model).items()


def _list_arms(model: Model) -> dict[KeyPath, str]:
    arms = model.experiment.arms if model.experiment else ()
    return {("experiment", "arms", number, "use"): arm.use for number, arm in enumerate(arms)}


def _find_entries(leads: Mapping[KeyPath, str], catalog: Catalog, entries: Mapping[str, Model]) -> list[str]:
    """The entries of `models` that leads end at; a `<provider>/<model>` without one leads no further."""
    routes = [catalog.find_route(use) for use in leads.values()]
    return [route.name for route in routes if route is not None and route.name in entries]


def _find_circle(start: str, ways: Ways) -> list[str]:
    """The way from an entry to itself; empty where there is none."""
    came_from: dict[str, str] = {}
    open_ends = [start]
    while open_ends:
        here = open_ends.pop(0)
        for there in ways[here]:
            if there == start:
                return [*_trace(start, here, came_from), start]
            if there not in came_from:
                came_from[there] = here
                open_ends.append(there)
    return []


def _trace(start: str, end: str, came_from: Mapping[str, str]) -> list[str]:
    way = [end]
    while way[0] != start:
        way.insert(0, came_from[way[0]])
    return way


def _is_too_long(start: str, ways: Ways) -> bool:
    level = {start}
    for _ in range(MOST_LEADS):
        level = {there for here in level for there in ways[here]}
    return any(ways[here] for here in level)


def _find_inner(starts: list[str], ways: Ways, entries: Mapping[str, Model]) -> str:
    """An entry with an experiment that one of `starts` is or leads to; empty where there is none."""
    seen: set[str] = set()
    open_ends = [*starts]
    while open_ends:
        here = open_ends.pop()
        if here not in seen:
            seen.add(here)
            if entries[here].experiment:
                return here
            open_ends += ways[here]
    return ""
