"""A value that a JSON Schema allows: what the fake model answers where structured output is asked for, or calls a tool with.

Simple schemas: `pattern`, `not` and conditions are not looked at.
"""

from collections.abc import Callable
from typing import Any

DEEPEST = 8  # schemas that hold themselves end here, where they may
FORMATS = {
    "date": "2027-01-15",
    "date-time": "2027-01-15T08:00:00Z",
    "time": "08:00:00Z",
    "email": "rain@example.com",
    "uri": "https://example.com/rain",
    "uuid": "6a2f41a3-c54c-4ce8-9f2d-5a7b6d3e1f00",
}


def example(schema: Any) -> Any:
    """The same value for the same schema."""
    return _example(schema, schema, 0)


def _example(schema: Any, root: Any, depth: int) -> Any:
    if not isinstance(schema, dict):
        return "rain"
    for word, follow in WORDS.items():
        if schema.get(word) is not None:
            return follow(schema[word], root, depth)
    return MAKERS[_kind(schema)](schema, root, depth)


def _follow_reference(reference: str, root: Any, depth: int) -> Any:
    """Of what a reference within the document points at."""
    found = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found[step] if step else found
    return _example(found, root, depth + 1)


def _choose(choices: list[Any], root: Any, depth: int) -> Any:
    null = next((choice for choice in choices if choice.get("type") == "null"), choices[-1])
    return _example(null if depth > DEEPEST else choices[0], root, depth + 1)


def _merge(schemas: list[Any], root: Any, depth: int) -> Any:
    merged: dict[str, Any] = {}
    for schema in schemas:
        for name, value in schema.items():
            merged[name] = {**merged[name], **value} if isinstance(merged.get(name), dict) else value
    return _example(merged, root, depth + 1)


# What a schema says instead of a type, the first that it says.
WORDS: dict[str, Callable[[Any, Any, int], Any]] = {
    "$ref": _follow_reference,
    "const": lambda value, _root, _depth: value,
    "enum": lambda values, _root, _depth: values[0],
    "anyOf": _choose,
    "oneOf": _choose,
    "allOf": _merge,
}


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type") or ("object" if "properties" in schema else "array" if "items" in schema else "string")
    return next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind


def _object(schema: dict[str, Any], root: Any, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    wanted = schema.get("required") or () if depth > DEEPEST else properties
    return {name: _example(properties.get(name), root, depth + 1) for name in wanted}


def _array(schema: dict[str, Any], root: Any, depth: int) -> list[Any]:
    count = schema.get("minItems", 0 if depth > DEEPEST else 1)
    return [_example(schema.get("items"), root, depth + 1) for _ in range(count)]


def _string(schema: dict[str, Any], _root: Any, _depth: int) -> str:
    text = FORMATS.get(schema.get("format", ""), "rain ström 水").ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def _integer(schema: dict[str, Any], _root: Any, _depth: int) -> int:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    return min(int(least), int(schema.get("maximum", least)))


def _number(schema: dict[str, Any], root: Any, depth: int) -> float:
    return float(_integer(schema, root, depth))


MAKERS: dict[str, Callable[[dict[str, Any], Any, int], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema, _root, _depth: True,
    "null": lambda _schema, _root, _depth: None,
}
