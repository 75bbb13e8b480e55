"""Where a request body is not what it must be, and what is wrong there, in words for whoever wrote it.

The compiled schema only says no: asked for its reasons it copies every value at fault, once for each branch of a choice, and a
client could make it copy for seconds. So its verdicts on the parts show the way down to the one at fault.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chassis.config.document import KeyPath, spell
from chassis.errors import Reason, RunestoneError
from gateway_edge.openapi.shape import Shape

LONGEST = 256  # characters of a path, which may hold names that the client chose
TYPES = {"object": "an object", "array": "an array", "integer": "a whole number", "null": "null"}

# Each keyword of a value's own in words, given its bound and the value at fault.
WORDS: dict[str, Callable[[Any, Any], str]] = {
    "type": lambda types, _: f"must be {_alternatives(_type_names(types))}",
    "required": lambda names, value: f"`{next(name for name in names if name not in value)}` is missing",
    "enum": lambda options, _: f"must be {_alternatives([f'`{option}`' for option in options])}",
    "const": lambda option, _: f"must be `{option}`",
    "not": lambda _, __: "is not known here, and this pipeline takes known members only",
    "minimum": lambda least, _: f"must be at least {least}",
    "maximum": lambda most, _: f"must be at most {most}",
    "minLength": lambda least, _: "must not be empty" if least == 1 else f"must have at least {least} characters",
    "maxLength": lambda most, _: f"must have at most {most} characters",
    "minItems": lambda least, _: "must not be empty" if least == 1 else f"must have at least {least} items",
}


def check(document: dict[str, Any], shape: Shape) -> None:
    """Raises INVALID_REQUEST with the path of the first part that does not have its shape: of the object that lacks a member,
    of the member that is unknown, of the value that is wrong."""
    if shape.is_valid(document):
        return
    path, words = find_fault(document, shape)
    where = spell(path)
    if len(where) > LONGEST:
        where = f"{where[:LONGEST]}..."
    raise RunestoneError(Reason.INVALID_REQUEST, f"{where}: {words}" if where else words, param=where)


def find_fault(value: Any, shape: Shape, path: KeyPath = ()) -> tuple[KeyPath, str]:
    """The path of what is wrong in `value`, which does not have `shape`, and what is wrong with it."""
    if shape.branches:
        return _find_in_branch(value, shape.branches, path)
    for keyword, only in shape.own.items():
        if not only.is_valid(value):
            return path, WORDS[keyword](only.schema[keyword], value)
    for step, part, expected in shape.parts(value):
        if not expected.is_valid(part):
            return find_fault(part, expected, (*path, step))
    raise AssertionError(f"nothing is wrong at {spell(path)}")


def _find_in_branch(value: Any, branches: Sequence[Shape], path: KeyPath) -> tuple[KeyPath, str]:
    """What is wrong in the branch that is meant: the one whose `type` is the value's own; for a value without a `type` the
    last, which stands for all the others."""
    possible = [branch for branch in branches if branch.own["type"].is_valid(value)]
    if not possible:
        names = [name for branch in branches for name in _type_names(branch.schema["type"])]
        return path, f"must be {_alternatives(names)}"
    meant = next((branch for branch in possible if _is_meant(branch, value)), possible[-1])
    return find_fault(value, meant, path)


def _is_meant(branch: Shape, value: dict[str, Any]) -> bool:
    return "type" in value and branch.members["type"].is_valid(value["type"])


def _type_names(types: str | list[str]) -> list[str]:
    listed = [types] if isinstance(types, str) else types
    return [TYPES.get(name, f"a {name}") for name in listed]


def _alternatives(names: Sequence[str]) -> str:
    """`a string, an array or null`."""
    *others, last = dict.fromkeys(names)
    return f"{', '.join(others)} or {last}" if others else last
