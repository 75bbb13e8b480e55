"""JSON Schemas as tables: a row for every member, those of objects inside with their path."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from launcher.api_markup import Html, code, paragraphs, table, text_of

Schema = Mapping[str, Any]

BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "minItems": "{} items or more",
}


def write_schema(name: str, schema: Schema) -> Html:
    """One schema under its name, to which every reference to it leads."""
    members = table(["member", "type", "", "meaning"], _rows(schema))
    forms = "" if members else f"<p>{write_type(schema)}</p>"
    return f"<h3 id='schema-{name}'>{escape(name)}</h3>{paragraphs(schema.get('description', ''))}{forms}{members}"


def write_type(schema: Schema) -> Html:
    """What a value may be: `array of <a>Message</a>, 1 items or more`."""
    bounds = [words.format(schema[bound]) for bound, words in BOUNDS.items() if bound in schema]
    return ", ".join([_write_kind(schema), *bounds])


def _write_kind(schema: Schema) -> Html:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#schema-{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(write_type(branch) for branch in schema["anyOf"])
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(option) for option in schema["enum"])
    types = schema.get("type", "anything")
    names = [types] if isinstance(types, str) else types
    return " or ".join(_write_list(schema) if name == "array" else escape(name) for name in names)


def _write_list(schema: Schema) -> Html:
    return f"array of {write_type(schema['items'])}" if "items" in schema else "array"


def _rows(schema: Schema, path: str = "") -> Iterator[list[Html]]:
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        here = f"{path}{name}"
        yield [code(here), write_type(member), "required" if name in required else "", text_of(member)]
        yield from _rows(member, f"{here}.")
