"""Whether plain values have the shape that annotations say: *every* place where they do not, where msgspec names the first."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from chassis.config.document import KeyPath
from chassis.config.units import Duration, ProxyUrl, Secret, Size, StoreUrl

T = TypeVar("T")


def convert(value: Any, kind: type[T]) -> T:
    """`value` as `kind`; raises msgspec.ValidationError at the first error."""
    return msgspec.convert(value, kind, dec_hook=decode_unit)


def find_type_errors(value: Any, kind: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every place where `value` is not what the annotation `kind` says.

    Walks mappings and lists itself and leaves the leaves, with their bounds, to msgspec.
    """
    shape = _shape_for(value, kind)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct) and isinstance(value, dict):
        yield from _find_struct_errors(value, shape, path)
    elif get_origin(shape) is list and isinstance(value, list):
        errors = [
            error
            for index, item in enumerate(value)
            for error in find_type_errors(item, get_args(shape)[0], (*path, index))
        ]
        yield from errors or _find_leaf_error(value, kind, path)
    elif get_origin(shape) is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from find_type_errors(item, get_args(shape)[1], (*path, key))
    else:
        yield from _find_leaf_error(value, kind, path)


def _find_leaf_error(value: Any, kind: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """What msgspec says of it, and which words are known; of a list whose items are right, of its length."""
    try:
        convert(value, kind)
    except msgspec.ValidationError as error:
        words = get_args(kind) if get_origin(kind) is Literal else ()
        yield path, f"{error}; known here: {', '.join(map(str, words))}" if words else str(error)


def _find_struct_errors(
    value: dict[str, Any], kind: type[msgspec.Struct], path: KeyPath
) -> Iterator[tuple[KeyPath, str]]:
    fields = {known.encode_name: known for known in msgspec.structs.fields(kind)}
    for key, item in value.items():
        if key in fields:
            yield from find_type_errors(item, fields[key].type, (*path, key))
        else:
            yield (*path, key), f"unknown key; known here: {', '.join(fields) or 'none'}"
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


def decode_unit(kind: type, value: Any) -> Any:
    """msgspec's hook: a value that is written with a unit, or that must not be shown."""
    if kind in (Duration, Size):
        return kind.parse(value)
    if kind in (Secret, StoreUrl, ProxyUrl) and isinstance(value, str):
        return kind(value)
    raise ValueError("Expected a string")
