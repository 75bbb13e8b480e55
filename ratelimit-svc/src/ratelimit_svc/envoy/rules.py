"""Which limit a descriptor matches, as envoyproxy/ratelimit matches. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chassis.config.rate_domains import DescriptorLimit, RateDescriptor, RateDomain
from chassis.globs import Globs

Entry = tuple[str, str]  # key and value

SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A limit: `requests` in each `unit`, 0 for none at all, None for as many as there are. `is_override`: whoever asks brought it
    along. One that `is_shadow` is counted and never refuses."""

    requests: int | None
    unit: str = ""
    name: str = ""
    is_shadow: bool = False
    is_override: bool = False

    @property
    def period(self) -> int:
        """The unit, in microseconds."""
        return SECONDS[self.unit] * 1_000_000


class Level:
    """The descriptors of one level, and below each the next."""

    __slots__ = ("_by_key", "_by_pattern", "_by_value")

    def __init__(self, descriptors: Iterable[RateDescriptor]) -> None:
        self._by_value: dict[Entry, _Step] = {}
        self._by_pattern: dict[str, list[tuple[Globs, _Step]]] = {}
        self._by_key: dict[str, _Step] = {}
        for descriptor in descriptors:
            self._add(descriptor)

    def find(self, entries: Sequence[Entry]) -> Rule | None:
        """The rule at the end of the way that `entries` take; None where they take none, or go on beyond it, or stop before.

        Each entry takes the most specific step: the one with its value, else the first whose pattern it matches, else
        the one without a value. A step that was taken is not taken back.
        """
        level, rule = self, None
        for entry in entries:
            step = level._step_for(entry)
            if step is None:
                return None
            level, rule = step.level, step.rule
        return rule

    def _add(self, descriptor: RateDescriptor) -> None:
        step = _Step(_make_rule(descriptor), Level(descriptor.descriptors))
        if not descriptor.value:
            self._by_key[descriptor.key] = step
        elif "*" in descriptor.value:
            self._by_pattern.setdefault(descriptor.key, []).append((Globs([descriptor.value]), step))
        else:
            self._by_value[descriptor.key, descriptor.value] = step

    def _step_for(self, entry: Entry) -> "_Step | None":
        key, value = entry
        if (step := self._by_value.get(entry)) is not None:
            return step
        patterns = self._by_pattern.get(key, ())
        return next((step for pattern, step in patterns if value in pattern), self._by_key.get(key))


@dataclass(frozen=True, slots=True)
class _Step:
    rule: Rule | None
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain's limits, and whether clients are told how they stand."""

    name: str
    level: Level
    has_headers: bool

    @classmethod
    def of(cls, domain: RateDomain) -> "Domain":
        """What the configuration says of it."""
        return cls(name=domain.domain, level=Level(domain.descriptors), has_headers=domain.response_headers)


def _make_rule(descriptor: RateDescriptor) -> Rule | None:
    match descriptor.rate_limit:
        case None:
            return None
        case DescriptorLimit(unlimited=True, name=name):
            return Rule(requests=None, name=name)
        case DescriptorLimit(requests_per_unit=requests, unit=unit, name=name):
            return Rule(requests=requests, unit=unit or "", name=name, is_shadow=descriptor.shadow_mode)
