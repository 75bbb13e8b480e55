"""The table of values in README.md, made from values.schema.json (what each means) and values.yaml (its default)."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from charting.render import CHART

README = CHART / "README.md"
BEGIN, END = "<!-- values: made from values.schema.json by `make chart UPDATE=1` -->", "<!-- values: end -->"

Schema = dict[str, Any]

# Written once, for `edge`: the other parts have the same.
SHARED = ("cache", "ratelimit", "provider", "audit", "envoy")


def read_schema() -> Schema:
    return json.loads((CHART / "values.schema.json").read_text())


def read_defaults() -> dict[str, Any]:
    return yaml.safe_load((CHART / "values.yaml").read_text())


def resolve(schema: Schema, root: Schema) -> Schema:
    """A schema with what it refers to; its own description wins."""
    if "$ref" not in schema:
        return schema
    return root["$defs"][schema["$ref"].rpartition("/")[2]] | {k: v for k, v in schema.items() if k != "$ref"}


def leaves(schema: Schema, root: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every value that can be set, by its path; a mapping's own line stands before its members'."""
    found = resolve(schema, root)
    if len(path) > 1 or not found.get("properties"):
        yield path, found
    for name, member in found.get("properties", {}).items():
        yield from leaves(member, root, (*path, name))


def default_of(path: tuple[str, ...], defaults: Any) -> Any:
    """What values.yaml says there; None where it says nothing."""
    for name in path:
        defaults = defaults.get(name) if isinstance(defaults, dict) else None
    return defaults


def write_table() -> str:
    """A table for each part of values.yaml."""
    root, defaults = read_schema(), read_defaults()
    shared = {path[1:] for path, _ in leaves(root, root) if path[0] == "cache"} - {("replicas",)}
    lines: list[str] = []
    section = ""
    values = [(path, schema) for path, schema in leaves(root, root) if path and path[0] != "global"]
    for path, schema in sorted(values, key=lambda value: len(value[0]) > 1):
        if path[0] in SHARED and _is_shared(path, shared, defaults):
            continue
        if path[0] != section and len(path) > 1:
            section = path[0]
            lines += _head(f"### {section}", root["properties"][section]["description"])
        elif not lines:
            lines += _head("### Everything", "")
        default = "" if schema.get("properties") else _show(default_of(path, defaults))
        lines.append(f"| `{'.'.join(path)}` | {_cell(schema['description'])} | {default} |")
    return "\n".join(lines)


def _is_shared(path: tuple[str, ...], shared: set[tuple[str, ...]], defaults: dict[str, Any]) -> bool:
    """Whether it means what it means for the edge; resources and numbers that differ are told all the same."""
    ours, edges = default_of(path, defaults), default_of(("edge", *path[1:]), defaults)
    return path[1:] in shared and (ours == edges or isinstance(ours, dict))


def _head(title: str, text: str) -> list[str]:
    return ["", title, "", *([text, ""] if text else []), "| value | meaning | default |", "|---|---|---|"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _show(value: Any) -> str:
    return "" if value in (None, "", {}, []) else f"`{_cell(json.dumps(value))}`"


def assemble(text: str) -> str:
    """The README with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{write_table()}\n\n{END}{after}"


def write() -> None:
    README.write_text(assemble(README.read_text()))
