"""How requests that were answered before are answered again: found by the SHA-256 of their bytes."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chassis.metric_families import Count, Distribution
from gateway_edge.call import Given
from gateway_edge.limits.limit import RequestLimit
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.usage_pb2 import Usage

MOST = 4_096


class Counts(Struct, frozen=True):
    """What counts such a call, found once: `calls` by one each, `durations` by how long it took, as it is answered in one go."""

    calls: tuple[Count, ...]
    durations: tuple[Distribution, ...]

    def note(self, seconds: float) -> None:
        """Counts one, answered after `seconds`."""
        for count in self.calls:
            count.value += 1
        for distribution in self.durations:
            distribution.observe(seconds)


class Recipe(Struct, frozen=True, kw_only=True):
    """All of an answer that is the same every time: the `head` and the `tail` of its bytes, the names of the headers that hold the
    call's id, its audit record without what speaks of one call, its log line's facts; and what it depends on. `valid_until` is its key's, in seconds since the epoch."""

    given: Given
    valid_until: float
    limits: tuple[RequestLimit, ...]
    usage: Usage | None
    cost: Cost | None
    head: str
    id_headers: tuple[str, ...]
    tail: bytes
    record: bytes
    counts: Counts
    facts: Mapping[str, Any]


class Recipes:
    """The recipes of one snapshot, those used last. The requests themselves, which hold keys, are not kept."""

    def __init__(self) -> None:
        self._recipes: OrderedDict[bytes, Recipe] = OrderedDict()

    def find(self, segment: bytes) -> Recipe | None:
        """The recipe for a request."""
        return self._recipes.get(hashlib.sha256(segment).digest()) if self._recipes else None

    def note(self, segment: bytes, recipe: Recipe) -> None:
        """Keeps a recipe."""
        self._recipes[hashlib.sha256(segment).digest()] = recipe
        if len(self._recipes) > MOST:
            self._recipes.popitem(last=False)

    def forget(self, segment: bytes) -> None:
        """Drops one that does not hold any more."""
        self._recipes.pop(hashlib.sha256(segment).digest(), None)

    def __len__(self) -> int:
        return len(self._recipes)
