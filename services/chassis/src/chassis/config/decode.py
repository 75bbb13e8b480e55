"""Plain values to typed settings and back; msgspec does the typing, this module finds *all* errors instead of the first."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from chassis.config.document import ConfigError, Document, KeyPath, Problem, read_document
from chassis.config.rules import find_contradictions
from chassis.config.schema import Settings
from chassis.config.units import Duration, MaskedUrl, ProxyUrl, Secret, Size, StoreUrl

T = TypeVar("T")


def parse_settings(text: str, **reading: Any) -> Settings:
    """The settings in a YAML text. Raises ConfigError with every problem, each with its line and path."""
    return settle_document(read_document(text, **reading))


def settle_document(document: Document) -> Settings:
    """The settings in a document. Raises ConfigError with every problem, each with its line and path."""
    problems = list(document.problems)
    unread = {problem.path for problem in problems}
    for path, message in find_type_errors(document.values, Settings):
        if path not in unread:
            problems.append(Problem(path, message, document.line_of(path)))
    if not problems:
        settings = convert(document.values, Settings)
        problems += [Problem(path, message, document.line_of(path)) for path, message in find_contradictions(settings)]
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line or 0))
    return settings


def convert(value: Any, kind: type[T]) -> T:
    """`value` as `kind`; raises msgspec.ValidationError at the first error."""
    return msgspec.convert(value, kind, dec_hook=_decode_unit)


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
    return msgspec.json.decode(document, type=Settings, dec_hook=_decode_unit)


def find_type_errors(value: Any, kind: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every place where `value` is not what the annotation `kind` says.

    Walks mappings and lists itself and leaves the leaves, with their bounds, to msgspec.
    """
    shape = _shape_for(value, kind)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct) and isinstance(value, dict):
        yield from _find_struct_errors(value, shape, path)
    elif get_origin(shape) is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from find_type_errors(item, get_args(shape)[0], (*path, index))
    elif get_origin(shape) is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from find_type_errors(item, get_args(shape)[1], (*path, key))
    else:
        try:
            convert(value, kind)
        except msgspec.ValidationError as error:
            yield path, str(error)


def _find_struct_errors(
    value: dict[str, Any], kind: type[msgspec.Struct], path: KeyPath
) -> Iterator[tuple[KeyPath, str]]:
    fields = {known.encode_name: known for known in msgspec.structs.fields(kind)}
    for key, item in value.items():
        if key in fields:
            yield from find_type_errors(item, fields[key].type, (*path, key))
        else:
            yield (*path, key), f"unknown key; known here: {', '.join(fields)}"
    for name, known in fields.items():
        if known.required and name not in value:
            yield path, f"`{name}` is missing"


def _shape_for(value: Any, kind: Any) -> Any:
    """`kind` without its bounds; of a union, the member that a mapping or a list could only be."""
    if get_origin(kind) is Annotated:
        return get_args(kind)[0]
    if get_origin(kind) not in (Union, UnionType):
        return kind
    for member in get_args(kind):
        is_struct = isinstance(member, type) and issubclass(member, msgspec.Struct)
        if (isinstance(value, dict) and (is_struct or get_origin(member) is dict)) or (
            isinstance(value, list) and get_origin(member) is list
        ):
            return member
    return kind


def _decode_unit(kind: type, value: Any) -> Any:
    if kind in (Duration, Size):
        return kind.parse(value)
    if kind in (Secret, StoreUrl, ProxyUrl) and isinstance(value, str):
        return kind(value)
    raise ValueError("Expected a string")
