"""The places in a document that a path leads to."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

from chassis.config.transform.paths import Each, Part, Path

MISSING = object()


class Way(Enum):
    """What is done about objects that are not on the way: nothing; made where nothing or null is; made whatever is there."""

    LOOK = 0
    FILL = 1
    OVERRULE = 2


def find_holders(value: Any, path: Path, way: Way = Way.LOOK) -> Iterator[Any]:
    """Every object or list that the last part of `path` is looked up in. Lists are never made and never grow."""
    if len(path) == 1:
        if isinstance(value, dict if isinstance(path[0], str) else list):
            yield value
        return
    part, following = path[0], path[1]
    for place in list_places(value, part):
        inner = value.get(place) if isinstance(part, str) else value[place]
        if isinstance(following, str) and not isinstance(inner, dict) and _may_make(inner, way):
            inner = value[place] = {}
        yield from find_holders(inner, path[1:], way)


def list_places(holder: Any, part: Part) -> list[Any]:
    """Where `part` is in `holder`: a member's name, there or not, or the positions of items that are there."""
    if isinstance(part, str):
        return [part] if isinstance(holder, dict) else []
    if not isinstance(holder, list):
        return []
    if part is Each.ITEM:
        return list(range(len(holder)))
    return [part] if -len(holder) <= part < len(holder) else []


def _may_make(inner: object, way: Way) -> bool:
    return way is Way.OVERRULE or (way is Way.FILL and inner is None)
