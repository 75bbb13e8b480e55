"""What a call needs of the model that answers it, read from the bytes of its body. Pure."""

import re
from collections.abc import Mapping

import msgspec

from chassis.billing.estimate import count_read
from chassis.config.catalog import Route
from chassis.config.models import Feature
from chassis.features import list_features

BOUNDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")

_COUNT = re.compile(rb"\s*(\d{1,9})\s*")


class Needs(msgspec.Struct, frozen=True):
    """`tokens`: what the model has to hold, about: what it reads and what it may write at most. `may_write` is that part of them; 0 where
    the call sets no bound."""

    features: frozenset[Feature]
    tokens: int
    may_write: int = 0


def needs_matter(route: Route) -> bool:
    """Whether any of a route's targets is chosen by what a call needs: else nobody has to read it."""
    if route.entry.strategy == "cheapest":
        return True
    return any(target.lacks or target.context_window is not None for target in route.targets)


def read_needs(members: Mapping[str, msgspec.Raw]) -> Needs:
    """The needs of a request with these members, in whichever dialect. What makes no sense counts as absent: the provider will say so."""
    may_write = next(filter(None, (_read_count(members.get(name)) for name in BOUNDS)), 0)
    reads = sum(count_read(bytes(raw)) for raw in members.values())
    return Needs(list_features(members), reads + may_write, may_write)


def _read_count(raw: msgspec.Raw | None) -> int:
    found = _COUNT.fullmatch(raw) if raw is not None else None
    return int(found[1]) if found else 0
