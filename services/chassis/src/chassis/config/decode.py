"""A file's text to typed settings, or all that is wrong with it; settings to JSON and back."""

from pathlib import Path
from typing import Any

import msgspec

from chassis.config.document import ConfigError, Document, read_document
from chassis.config.keys_files import attach_keys
from chassis.config.rules import find_contradictions
from chassis.config.schema import Settings
from chassis.config.shapes import convert, decode_unit, find_type_errors
from chassis.config.units import Duration, MaskedUrl, Secret


def parse_settings(text: str, data_dir: Path | None = None, **reading: Any) -> Settings:
    """The settings in a YAML text, and with a data directory those in its tenants' keys files. Raises ConfigError with every
    problem, each with its line and path."""
    document = read_document(text, **reading)
    if data_dir is not None:
        attach_keys(document, data_dir)
    return settle_document(document)


def list_files(text: str, data_dir: Path) -> list[Path]:
    """The files beside itself that a configuration depends on, there or not, whatever is wrong with it."""
    document = read_document(text)
    attach_keys(document, data_dir)
    return document.files


def settle_document(document: Document) -> Settings:
    """The settings in a document. Raises ConfigError with every problem, each with its line and path."""
    problems = list(document.problems)
    unread = {(problem.file, problem.path) for problem in problems}
    leave_out_misshapen(document)
    for path, message in find_type_errors(document.values, Settings):
        problem = document.problem(path, message)
        if (problem.file, problem.path) not in unread:
            problems.append(problem)
    if not problems:
        settings = convert(document.values, Settings)
        found = find_contradictions(settings)
        problems += [document.problem(path, message) for path, message in found if path not in document.unresolved]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.file, problem.line or 0)))
    return settings


def leave_out_misshapen(document: Document) -> None:
    """Drops values of unresolved references that would have been numbers or words of a list: nobody here needs them."""
    for path, _ in list(find_type_errors(document.values, Settings)) if document.unresolved else ():
        if path in document.unresolved:
            holder: Any = document.values
            for part in path[:-1]:
                holder = holder[part]
            del holder[path[-1]]


def encode(settings: Settings, *, reveal: bool) -> bytes:
    """The settings as JSON. With `reveal` the secrets stand in it (for the snapshot), without it `***` does."""

    def encode_unit(value: Any) -> Any:
        if isinstance(value, Secret):
            return value.reveal() if reveal else repr(value)
        if isinstance(value, MaskedUrl):
            return str(value) if reveal else value.masked
        if isinstance(value, Duration):
            return float(value)
        return int(value)

    return msgspec.json.encode(settings, enc_hook=encode_unit, order="sorted")


def decode(document: bytes) -> Settings:
    """The settings that `encode(..., reveal=True)` wrote, or some of its sections."""
    return msgspec.json.decode(document, type=Settings, dec_hook=decode_unit)
