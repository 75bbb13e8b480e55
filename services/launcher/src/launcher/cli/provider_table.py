"""The configuration's providers as JSON objects and as tables: no key, and of addresses no user and no query."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chassis.config import ConfigError
from chassis.config.presets import find_address, list_dialects
from chassis.config.provider_keys import list_keys
from chassis.config.providers import Provider
from launcher.configuration import find_config, find_data_dir, preview, read_text
from launcher.errors import LaunchError
from launcher.provider_check import Answer, Outcome, ask_all
from launcher.reachability import hide_user

COLOURS = {Outcome.OK: "green"}

Draw = Callable[[Sequence[dict[str, object]]], Table]


def list_providers(option: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints all providers. Raises LaunchError with a line for each problem of the configuration."""
    _show([describe(provider) for provider in _read(option, data_dir)], draw_providers, as_json=as_json)


def check_providers(option: Path | None, data_dir: Path | None, *, as_json: bool) -> bool:
    """Asks all providers and prints what each said; says whether all answered as they should."""
    answers = asyncio.run(ask_all(_read(option, data_dir)))
    _show([msgspec.to_builtins(answer) for answer in answers], lambda _: draw_answers(answers), as_json=as_json)
    return all(answer.outcome is Outcome.OK for answer in answers)


def describe(provider: Provider) -> dict[str, object]:
    """Every member always there. `keys` are their names."""
    keys = [key.name for key in list_keys(provider)]
    return {
        "name": provider.name,
        "kind": provider.kind,
        "preset": provider.preset or None,
        "address": hide_user(find_address(provider)) or None,
        "dialects": list_dialects(provider),
        "has_key": bool(keys),
        "keys": keys,
    }


def draw_providers(providers: Sequence[dict[str, object]]) -> Table:
    """What stands in the objects, a line each."""
    table = Table("provider", "kind", "address", "speaks", "key", box=None, header_style="bold", pad_edge=False)
    for it in providers:
        dialects, keys = it["dialects"], it["keys"]
        assert isinstance(dialects, Iterable)
        assert isinstance(keys, Sequence)
        cells = (it["name"], it["preset"] or it["kind"], it["address"] or "-", ", ".join(dialects))
        shown = ", ".join(keys) if len(keys) > 1 else "set" if keys else "-"
        table.add_row(*(Text(str(cell)) for cell in (*cells, shown)))
    return table


def draw_answers(answers: Sequence[Answer]) -> Table:
    """What each said, and how long it took."""
    table = Table("", "provider", "detail", "ms", box=None, header_style="bold", pad_edge=False)
    for answer in answers:
        outcome = Text(answer.outcome, style=COLOURS.get(answer.outcome, "red"))
        name = f"{answer.name} ({answer.key})" if answer.key else answer.name
        table.add_row(outcome, Text(name), Text(answer.detail), f"{answer.milliseconds:.0f}")
    return table


def _read(option: Path | None, data_dir: Path | None) -> list[Provider]:
    path = find_config(option)
    try:
        return preview(read_text(path), find_data_dir(data_dir)).providers
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(path) for problem in error.problems)) from error


def _show(objects: Sequence[dict[str, object]], draw: Draw, *, as_json: bool) -> None:
    if not as_json:
        Console().print(draw(objects))
        return
    for each in objects:
        print(msgspec.json.encode(each).decode())
