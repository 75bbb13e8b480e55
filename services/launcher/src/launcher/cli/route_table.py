"""Routes for people: all of them as a table, and the way of one call step by step."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from chassis.config import ConfigError
from chassis.config.models import Model
from launcher.configuration import find_config, find_data_dir, preview, read_text
from launcher.errors import LaunchError
from launcher.meshfile import find_mesh
from launcher.route_explanation import Lead, Place, RouteExplanation
from launcher.rundir import is_locked

NOTHING = "-"


def list_routes(config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints the models of the file that is named, else of the running mesh's, else of the one that `up` would find. Raises LaunchError
    with a line for each problem of the configuration."""
    where = find_data_dir(data_dir)
    path = find_mesh(where).config_path if config is None and is_locked(where) else find_config(config)
    try:
        models = preview(read_text(path), where).models
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(path) for problem in error.problems)) from error
    if not as_json:
        Console().print(draw_routes(models))
        return
    for model in models:
        print(msgspec.json.encode(describe(model)).decode())


def describe(model: Model) -> Mapping[str, object]:
    """Every member always there."""
    return {
        "model": model.name,
        "strategy": model.strategy,
        "targets": model.targets,
        "rules": model.rules,
        "experiment": model.experiment,
        "fallbacks": model.fallbacks,
    }


def draw_routes(models: Sequence[Model]) -> Table:
    """A line for each."""
    table = _table("model", "strategy", "targets", "leads elsewhere", "fallbacks")
    for model in models:
        cells = (
            model.name,
            model.strategy,
            "\n".join(_spell_targets(model)) or NOTHING,
            "\n".join(_spell_leads(model)) or NOTHING,
            ", ".join(model.fallbacks) or NOTHING,
        )
        table.add_row(*map(Text, cells))
    return table


def draw_explanation(told: RouteExplanation) -> Group:
    """The way from the model that is asked to the targets, the first of which would be called."""
    caller = f" by {told.tenant}" if told.tenant else ""
    parts: list[Text | Table] = [Text(f"{told.model}, asked{caller} at {told.endpoint}")]
    parts += [
        Text(f"  rules[{it.rule}] of {it.of} cannot be computed and counts as false: {it.why}", style="yellow")
        for it in told.failures
    ]
    parts += [Text(f"  {spell_lead(lead)} -> {lead.use}") for lead in told.leads]
    parts.append(Text(f"  route {told.route}, {told.strategy}, as {told.replica} sees it now:"))
    return Group(*parts, _draw_places(told.targets, told.route))


def spell_lead(lead: Lead) -> str:
    """Which rule, or which arm."""
    if lead.rule is not None:
        return f'rules[{lead.rule}] of {lead.of} "{lead.when}"'
    return f"experiment {lead.experiment} of {lead.of}: arm {lead.arm}, by {lead.unit}"


def _draw_places(places: Sequence[Place], route: str) -> Table:
    table = _table("  ", "target", "why")
    for number, place in enumerate(places, start=1):
        fallback = "" if place.route == route else f"fallback {place.route}: "
        cells = (
            f"  {number if place.eligible else NOTHING}",
            f"{place.provider}/{place.model}",
            fallback + (place.why if place.eligible else f"not asked: {place.why}"),
        )
        table.add_row(*map(Text, cells))
    return table


def _spell_targets(model: Model) -> Iterator[str]:
    for target in model.targets:
        priority = f", priority {target.priority}" if target.priority else ""
        yield f"{target.provider}/{target.model} (weight {target.weight}{priority})"


def _spell_leads(model: Model) -> Iterator[str]:
    yield from (f"{rule.when} -> {rule.use}" for rule in model.rules)
    if model.experiment is not None:
        for arm in model.experiment.arms:
            yield f"{model.experiment.name}={arm.name} (weight {arm.weight}) -> {arm.use}"


def _table(*titles: str) -> Table:
    return Table(*titles, box=None, header_style="bold", pad_edge=False)
