"""The configuration for people: its problems, or its values with the secrets hidden."""

import re
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import typer
import yaml

from chassis.config import ConfigError, Problem, Settings, encode
from chassis.config.document import KeyPath, read_document, spell
from launcher.configuration import find_config, find_data_dir, preview, read_settings, read_text
from launcher.errors import LaunchError
from launcher.mesh_certificates import find_certificate_problems

# What stands before the host of an address; a reference in it may name a file, whose `/` does not begin the path.
_PASSWORD = re.compile(rb"(://)(?>\$\{[^}\"]*\}|[^/@\s\"])*@")
HIDDEN = "***"


def check_configuration(option: Path | None, data_dir: Path | None, *, as_json: bool) -> bool:
    """Prints every problem of the file and the keys files, or that there is none; says whether they can be used."""
    path = find_config(option)
    problems = _read(read_text(path), find_data_dir(data_dir))
    if as_json:
        print(msgspec.json.encode(_describe(path, problems)).decode())
        return not problems
    for problem in problems:
        typer.echo(problem.tell(path), err=True)
    if not problems:
        print(f"{path or 'the defaults'}: no problems")
    return not problems


def show_configuration(option: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints the settings in force as YAML or JSON. Raises LaunchError with a line for each problem."""
    path = find_config(option)
    text = read_text(path)
    try:
        settings = preview(text, find_data_dir(data_dir))
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(path) for problem in error.problems)) from error
    document = hide_secrets(settings, read_document(text, None).references)
    print(document.decode() if as_json else yaml.safe_dump(msgspec.json.decode(document), sort_keys=False).rstrip())


def hide_secrets(settings: Settings, references: Mapping[KeyPath, str]) -> bytes:
    """The settings as JSON; secrets, and the user and password of every address, are `***`. What came from a reference may be
    secret wherever it stands: it is shown as it is written in the file."""
    document = msgspec.json.decode(encode(settings, reveal=False))
    for path, written in references.items():
        _put_back(document, path, written)
    return _PASSWORD.sub(rb"\1***@", msgspec.json.encode(document))


def _put_back(document: Any, path: KeyPath, written: str) -> None:
    """A secret stays hidden: beside the reference a part of it may be written out."""
    holder = reduce(lambda value, part: value[part], path[:-1], document)
    if holder[path[-1]] != HIDDEN:
        holder[path[-1]] = written


def _read(text: str, data_dir: Path) -> list[Problem]:
    try:
        settings = read_settings(text, data_dir)
    except ConfigError as error:
        return error.problems
    document = read_document(text, None)
    return [document.problem(path, message) for path, message in find_certificate_problems(settings.mesh)]


def _describe(path: Path | None, problems: list[Problem]) -> dict[str, object]:
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
    }
