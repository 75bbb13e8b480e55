"""What binds a request: its descriptors in, what to charge for each out. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chassis.errors import Reason, RunestoneError
from ratelimit_svc.envoy.rules import Domain, Entry, Rule
from ratelimit_svc.limit import Limit, make_limit

ROOT = "envoy"  # before every subject, so that none is one of the mesh's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One side of a request; `hits` of 0 only ask."""

    entries: Sequence[Entry]
    hits: int
    override: Rule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """The rule that binds a descriptor, None where none does; and what it is charged under, where there is something to count."""

    rule: Rule | None
    limit: Limit | None

    @property
    def is_closed(self) -> bool:
        """Whether the rule lets nothing through."""
        return self.rule is not None and self.rule.requests == 0

    @property
    def is_shadow(self) -> bool:
        """Whether it never refuses."""
        return self.rule is not None and self.rule.is_shadow


def bind(domain: Domain | None, descriptors: Sequence[Descriptor]) -> list[Bond]:
    """What binds each descriptor; nothing where there is no such domain.

    Raises INVALID_REQUEST for one limit that the request overrides in two ways.
    """
    if domain is None:
        return [Bond(rule=None, limit=None) for _ in descriptors]
    bonds = [_bind(domain, descriptor) for descriptor in descriptors]
    rules: dict[bytes, Rule] = {}
    for index, bond in enumerate(bonds):
        if bond.limit is not None and bond.rule != rules.setdefault(bond.limit.key, bond.rule or Rule(requests=None)):
            message = "the descriptor overrides a limit that one before it overrides in another way"
            raise RunestoneError(Reason.INVALID_REQUEST, message, param=f"descriptors[{index}].limit")
    return bonds


def _bind(domain: Domain, descriptor: Descriptor) -> Bond:
    rule = descriptor.override or domain.level.find(descriptor.entries)
    if rule is None or not rule.requests:
        return Bond(rule=rule, limit=None)
    # What is counted is the way with its values and the unit: of a limit that is changed the share that was used stays used.
    subject = [ROOT, domain.name, *(part for entry in descriptor.entries for part in entry)]
    name = f"override per {rule.unit}" if rule.is_override else f"per {rule.unit}"
    limit = make_limit(subject, name, quantity=rule.requests, period=rule.period, burst=0, amount=1)
    return Bond(rule=rule, limit=replace(limit, amount=descriptor.hits))


def merge(bonds: Iterable[Bond]) -> list[Limit]:
    """One limit for all descriptors that are counted together, with the hits of all."""
    limits: dict[bytes, Limit] = {}
    for bond in bonds:
        if bond.limit is not None:
            known = limits.get(bond.limit.key)
            amount = bond.limit.amount + (known.amount if known else 0)
            limits[bond.limit.key] = replace(bond.limit, amount=amount)
    return list(limits.values())


def without_use(limits: Iterable[Limit]) -> list[Limit]:
    """The same limits, only asked."""
    return [replace(limit, amount=0) for limit in limits]
