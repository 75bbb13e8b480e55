"""What the fields of a form mean: all of them are texts or files, and a schema says what a text stands for. Pure."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from chassis.errors import Reason, RunestoneError
from gateway_edge.openapi.shape import Shape
from gateway_edge.question.form import Upload

FILE = "contentMediaType"  # of a text that is a file's content (OpenAPI 3.1, section 4.8.14.4)
LONGEST_WHOLE = 19  # digits: below 64 bits
BOOLEANS = {"true": True, "false": False}

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,307})(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?")


def read_fields(fields: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """`fields` with every text that `shape` takes for a number or a boolean as that; what is none stays a text, and does not fit. A
    file is its name. Raises INVALID_REQUEST for a file in place of a text, and a text in place of a file."""
    return {name: _read(value, shape.members.get(name), name) for name, value in fields.items()}


def _read(value: Any, shape: Shape | None, name: str) -> Any:
    if isinstance(value, list):
        items = None if shape is None else shape.items
        return [_read(item, items, f"{name}[]") for item in value]
    if isinstance(value, dict):
        members = {} if shape is None else shape.members
        return {inner: _read(held, members.get(inner), f"{name}[{inner}]") for inner, held in value.items()}
    if isinstance(value, Upload):
        if shape is not None and not _takes_file(shape):
            raise _refusal(name, "must be a text, not a file")
        return value.filename
    if shape is not None and _takes_file(shape):
        raise _refusal(name, "must be a file")
    return value if shape is None else _read_text(value, shape)


def _read_text(text: str, shape: Shape) -> Any:
    for kind in _types_of(shape):
        if kind in READERS and (read := READERS[kind](text)) is not None:
            return read
    return text


def _number(text: str) -> float | None:
    """A number as JSON has it, a whole one as such; None for what is none, or too large to be one here."""
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text) if len(text) < LONGEST_WHOLE and _WHOLE.fullmatch(text) else float(text)
    return number if math.isfinite(number) else None


READERS: dict[str, Callable[[str], Any]] = {"boolean": BOOLEANS.get, "number": _number, "integer": _number}


def _types_of(shape: Shape) -> Iterable[str]:
    types = shape.schema.get("type", ())
    return (types,) if isinstance(types, str) else types


def _takes_file(shape: Shape) -> bool:
    """A file, or a list of files of which one is sent under the list's own name."""
    return FILE in shape.schema or FILE in shape.schema.get("items", {})


def _refusal(name: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{name}: {message}", param=name)
