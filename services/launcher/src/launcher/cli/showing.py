"""The configuration for people: its problems, or its values with the secrets hidden."""

import re
from pathlib import Path

import msgspec
import typer
import yaml

from chassis.config import ConfigError, Problem, Settings, encode, list_unbuilt
from chassis.config.document import spell
from launcher.configuration import find_config, find_data_dir, preview, read_settings, read_text
from launcher.errors import LaunchError

_PASSWORD = re.compile(rb"(://)[^/@\s\"]*@")  # what stands before the host of an address


def check_configuration(option: Path | None, data_dir: Path | None, *, as_json: bool) -> bool:
    """Prints every problem of the file and the keys files, or that there is none; says whether they can be used."""
    path = find_config(option)
    problems, notices = _read(read_text(path), find_data_dir(data_dir))
    if as_json:
        print(msgspec.json.encode(_describe(path, problems, notices)).decode())
        return not problems
    for problem in problems:
        typer.echo(problem.tell(path), err=True)
    for notice in notices:
        print(f"{path}: {notice}: accepted, but without effect in this version")
    if not problems:
        print(f"{path or 'the defaults'}: no problems")
    return not problems


def show_configuration(option: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints the settings in force as YAML or JSON. Raises LaunchError with a line for each problem."""
    path = find_config(option)
    try:
        settings = preview(read_text(path), find_data_dir(data_dir))
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(path) for problem in error.problems)) from error
    document = hide_secrets(settings)
    print(document.decode() if as_json else yaml.safe_dump(msgspec.json.decode(document), sort_keys=False).rstrip())


def hide_secrets(settings: Settings) -> bytes:
    """The settings as JSON; secrets, and the user and password of every address, are `***`."""
    return _PASSWORD.sub(rb"\1***@", encode(settings, reveal=False))


def _read(text: str, data_dir: Path) -> tuple[list[Problem], list[str]]:
    try:
        return [], list_unbuilt(read_settings(text, data_dir))
    except ConfigError as error:
        return error.problems, []


def _describe(path: Path | None, problems: list[Problem], notices: list[str]) -> dict[str, object]:
    return {
        "file": str(path) if path else None,
        "ok": not problems,
        "problems": [
            {
                "file": problem.file or (str(path) if path else None),
                "line": problem.line,
                "path": spell(problem.path),
                "message": problem.message,
            }
            for problem in problems
        ],
        "without_effect": notices,
    }
