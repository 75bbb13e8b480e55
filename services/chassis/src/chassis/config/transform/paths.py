"""Where something stands in a JSON document: `temperature`, `metadata.tenant`, `messages[*].content`, `["a.b"][0]`."""

import re
from enum import Enum

MOST_PARTS = 32


class Each(Enum):
    """`[*]`: every item of a list."""

    ITEM = "*"


Part = str | int | Each
Path = tuple[Part, ...]

_PART = re.compile(r'(?P<dot>\.)?(?P<name>[^.\[\]"]+)|\[(?:(?P<index>-?\d{1,9})|(?P<each>\*)|"(?P<quoted>[^"]+)")\]')


def parse_path(text: str) -> Path:
    """Raises ValueError, which says what a path looks like."""
    parts: list[Part] = []
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or (match["name"] and bool(match["dot"]) != bool(parts)):
            break
        parts.append(_read_part(match))
        position = match.end()
    if position < len(text) or not parts or len(parts) > MOST_PARTS:
        raise ValueError(
            'is not a path such as `temperature`, `metadata.tenant`, `messages[0].content`, `tools[*]["a.b"]`'
        )
    return tuple(parts)


def _read_part(match: re.Match[str]) -> Part:
    if match["each"]:
        return Each.ITEM
    return int(match["index"]) if match["index"] else match["name"] or match["quoted"]
