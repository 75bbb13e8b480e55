"""What the command about targets does: every replica is asked, and one that cannot be makes it fail."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table

from launcher.address_book import open_address_book
from launcher.cli.target_table import draw_connections, draw_keys, draw_targets
from launcher.errors import LaunchError
from launcher.target_desk import TargetDesk
from launcher.target_report import (
    Answers,
    ConnectionLine,
    KeyLine,
    TargetLine,
    list_connections,
    list_keys,
    list_targets,
)

Line = TypeVar("Line", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class View(Generic[Line]):
    """Something to look at: its lines, and how they are drawn."""

    list_lines: Callable[[Answers], Sequence[Line]]
    draw: Callable[[Sequence[Line]], Table]


TARGETS: View[TargetLine] = View(list_targets, draw_targets)
KEYS: View[KeyLine] = View(list_keys, draw_keys)
CONNECTIONS: View[ConnectionLine] = View(list_connections, draw_connections)


def show(view: View[Line], data_dir: Path | None, *, as_json: bool) -> None:
    """Prints it. Raises LaunchError naming the replicas that could not be asked, once the others' lines are printed."""
    book = open_address_book(data_dir)
    desk = TargetDesk(book.services, book.dial)
    asked = asyncio.run(desk.list_targets())
    if asked.answers:
        _print(view, asked.answers, as_json=as_json)
    if asked.failures:
        raise LaunchError("\n".join(spell_failures(asked.failures)))


def spell_failures(failures: Mapping[str, str]) -> list[str]:
    """A line for each replica that could not be asked."""
    return [f"{name} could not be asked: {why}" for name, why in failures.items()]


def _print(view: View[Line], answers: Answers, *, as_json: bool) -> None:
    lines = view.list_lines(answers)
    if not as_json:
        Console().print(view.draw(lines))
        return
    for line in lines:
        print(msgspec.json.encode(line).decode())
