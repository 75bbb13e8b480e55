"""What a request body must look like: a schema, compiled. The compiled schema says whether; `fault` finds out where and why."""

from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any

from jsonschema_rs import Draft202012Validator

from gateway_edge.openapi.document import read_document
from gateway_edge.openapi.request_schema import Schema, close_objects, resolve_requests

VERSION = "/v1"

# Keywords that say something of a value itself, not of what it holds.
OWN_KEYWORDS = (
    "type", "required", "enum", "const", "not", "minimum", "maximum", "minLength", "maxLength", "minItems",
)  # fmt: skip


class Shape:
    """A schema without references. Checking copies nothing: it reads Python's own objects, and of those only what the
    schema speaks of."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.is_valid = Draft202012Validator(schema).is_valid

    @cached_property
    def own(self) -> dict[str, "Shape"]:
        """What is said of the value itself: for each keyword a shape that says this and nothing else."""
        return {name: Shape({name: self.schema[name]}) for name in OWN_KEYWORDS if name in self.schema}

    @cached_property
    def branches(self) -> list["Shape"]:
        """The shapes of which the value must have one; empty when there is no choice."""
        return [Shape(branch) for branch in self.schema.get("anyOf", ())]

    @cached_property
    def members(self) -> dict[str, "Shape"]:
        """The members that an object may have, by name."""
        return {name: Shape(schema) for name, schema in self.schema.get("properties", {}).items()}

    @cached_property
    def _other_members(self) -> "Shape":
        return _shape_of(self.schema.get("additionalProperties", True))

    @cached_property
    def items(self) -> "Shape":
        return _shape_of(self.schema.get("items", True))

    def parts(self, value: Any) -> Iterator[tuple[str | int, Any, "Shape"]]:
        """What `value` holds: its place in there, itself, and the shape it must have."""
        if isinstance(value, dict):
            for name, member in value.items():
                yield name, member, self.members.get(name, self._other_members)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield index, item, self.items

    def __repr__(self) -> str:
        return f"Shape({self.schema})"


def _shape_of(schema: Schema | bool) -> Shape:
    """JSON Schema's `true` and `false` as schemas like any other: everything, and nothing."""
    if isinstance(schema, bool):
        return Shape({} if schema else {"not": {}})
    return Shape(schema)


@cache
def request_shape(path: str, *, is_strict: bool) -> Shape:
    """The shape of the requests at `path` (`/v1/...`), compiled once in a process; with `is_strict` without unknown members."""
    schema = _requests()[path.removeprefix(VERSION)]
    return Shape(close_objects(schema) if is_strict else schema)


@cache
def _requests() -> dict[str, Schema]:
    return resolve_requests(read_document())
