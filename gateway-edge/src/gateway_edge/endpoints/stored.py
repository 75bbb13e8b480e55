"""The paths of stored responses: a table, and how a path with an id in it is told. Pure."""

import re

from runestone.provider.v1.provider_pb2 import Resource

RESPONSES = "/v1/responses"
ONE = f"{RESPONSES}/{{id}}"

# By method and template: what is asked there.
STORED: dict[tuple[str, str], Resource.Action.ValueType] = {
    ("GET", ONE): Resource.ACTION_GET,
    ("DELETE", ONE): Resource.ACTION_DELETE,
    ("POST", f"{ONE}/cancel"): Resource.ACTION_CANCEL,
    ("GET", f"{ONE}/input_items"): Resource.ACTION_INPUT_ITEMS,
}
TEMPLATES = frozenset(template for _, template in STORED)

_named = re.compile(rf"{RESPONSES}/[^/]+((?:/[a-z_]+)?)").fullmatch


def find_template(path: str) -> str:
    """The template of a path that names a stored response; empty for any other."""
    found = _named(path)
    template = f"{ONE}{found[1]}" if found else ""
    return template if template in TEMPLATES else ""
