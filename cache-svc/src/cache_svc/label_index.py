"""Which entries have which labels: to purge a tenant's, a model's or a tag's without looking at the others. Pure.

Entries with the same labels stand in one group, which is all that an entry costs beside a place in a set: there are as many groups
as there are combinations of tenant, model and tags.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cache_svc.store import NO_LABELS, Labels

GROUP = 500  # bytes that a group takes beyond its texts; measured, CPython 3.11
TEXT = 60  # bytes that a text takes beyond its characters


@dataclass(slots=True)
class Group:
    """Keys of entries that have the same labels; `size` is what the group counts for, in bytes, beyond its entries."""

    labels: Labels
    size: int
    keys: set[bytes] = field(default_factory=set)


class LabelIndex:
    """Groups by tenant. `bytes` is what they take in all."""

    def __init__(self) -> None:
        self._tenants: dict[str, dict[Labels, Group]] = {}
        self.bytes = 0

    def add(self, key: bytes, labels: Labels) -> Group:
        """Notes a key that is not in it, and says in which group."""
        groups = self._tenants.setdefault(labels.tenant, {})
        group = groups.get(labels)
        if group is None:
            group = groups[labels] = Group(labels, _measure(labels))
            self.bytes += group.size
        group.keys.add(key)
        return group

    def remove(self, key: bytes, group: Group) -> None:
        """Forgets a key of the group, and the group with its last one."""
        group.keys.remove(key)
        if not group.keys:
            self._forget(group)

    def take(self, group: Group, most: int) -> list[bytes]:
        """Takes up to `most` keys out of a group, which may be gone."""
        keys = [group.keys.pop() for _ in range(min(most, len(group.keys)))]
        if keys and not group.keys:
            self._forget(group)
        return keys

    def list_groups(self, tenant: str) -> Iterator[Group]:
        """A tenant's; everybody's where none is named. Groups may come and go before the next one is asked for."""
        for name in [tenant] if tenant else list(self._tenants):
            yield from list(self._tenants.get(name, {}).values())

    def _forget(self, group: Group) -> None:
        groups = self._tenants[group.labels.tenant]
        del groups[group.labels]
        self.bytes -= group.size
        if not groups:
            del self._tenants[group.labels.tenant]

    def __repr__(self) -> str:
        return f"LabelIndex({sum(map(len, self._tenants.values()))} groups of {len(self._tenants)} tenants)"


def _measure(labels: Labels) -> int:
    if labels == NO_LABELS:
        return 0  # there is one such group at most
    texts = (labels.tenant, labels.model, *labels.tags)
    return GROUP + sum(len(text.encode()) + TEXT for text in texts)
