"""The request limits that bind a caller: of its tenant and key, and of parts of what they may use."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from chassis.config.schema import Limits, PartLimit
from chassis.gcra import Rate
from chassis.globs import Globs

MINUTE = 60_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """A request rate that binds a subject: ("tenant", "acme") or ("key", "acme", "ci"), where it is for a part of what they
    do with that part's name. `part` names it for people."""

    subject: tuple[str, ...]
    rate: Rate
    name: str = "requests_per_minute"
    part: str = ""
    _hash: int = field(init=False, repr=False, compare=False)  # every call asks for it several times

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.subject, self.rate, self.name, self.part)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class PartialLimit:
    """A limit for calls of some models to some endpoints; None: of all."""

    limit: RequestLimit
    models: Globs | None
    endpoints: Globs | None

    def binds(self, endpoint: str, model: str) -> bool:
        """Whether it counts a call of the public model name `model` to the path template `endpoint`."""
        return (self.endpoints is None or endpoint in self.endpoints) and (self.models is None or model in self.models)


def whole_limits(subject: tuple[str, ...], limits: Limits) -> Iterator[RequestLimit]:
    """Those that bind every call of the subject."""
    if limits.requests_per_minute is not None:
        yield RequestLimit(subject, per_minute(limits.requests_per_minute))


def partial_limits(subject: tuple[str, ...], limits: Limits) -> Iterator[PartialLimit]:
    """Those of `limits.per`. Each is counted under its own name, whatever clients call the models that it matches."""
    for part in limits.per:
        limit = RequestLimit((*subject, _name(part)), per_minute(part.requests_per_minute), part=_describe(part))
        yield PartialLimit(limit, _globs(part.models), _globs(part.endpoints))


def per_minute(quantity: int) -> Rate:
    """The rate of `quantity` requests a minute, all of which may come at once."""
    return Rate(quantity=quantity, period=MINUTE, burst=quantity)


def _globs(patterns: list[str]) -> Globs | None:
    return Globs(patterns) if patterns else None


def _name(part: PartLimit) -> str:
    """The same for the same models and endpoints in whatever order, and for no others: what is counted outlives an edit of
    the list around it."""
    return orjson.dumps([sorted(set(part.models)), sorted(set(part.endpoints))]).decode()


def _describe(part: PartLimit) -> str:
    return " on ".join(filter(None, (", ".join(part.models), ", ".join(part.endpoints))))
