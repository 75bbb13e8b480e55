"""What the service needs of a place that keeps answers."""

from dataclasses import dataclass
from typing import Protocol

OVERHEAD = 700  # bytes that an entry takes in memory beyond its key and its body, once others were evicted; measured, CPython 3.11
LARGEST_SHARE = 8  # one entry may take an eighth of the cache, so that it can never empty it


@dataclass(frozen=True, slots=True)
class Labels:
    """What an entry can be found by beside its fingerprint. `tenant` is empty for what tenants share."""

    tenant: str = ""
    model: str = ""
    tags: tuple[str, ...] = ()


NO_LABELS = Labels()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries: those that fit all that is set (`runestone.cache.v1.Selection`)."""

    key_prefix: bytes = b""
    tenant: str = ""
    model: str = ""
    tag: str = ""
    everything: bool = False

    @property
    def says_something(self) -> bool:
        """Whether any member is set."""
        return bool(self.key_prefix or self.tenant or self.model or self.tag or self.everything)

    def fits(self, fingerprint: bytes, labels: Labels) -> bool:
        """Whether an entry is one of those."""
        return (
            fingerprint.startswith(self.key_prefix)
            and self.tenant in ("", labels.tenant)
            and self.model in ("", labels.model)
            and (not self.tag or self.tag in labels.tags)
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer to keep: a serialized `runestone.cache.v1.Answer` (sealed, where it is encrypted), and how many seconds it is
    kept, fresh or stale."""

    fingerprint: bytes
    body: bytes
    ttl: float
    labels: Labels = NO_LABELS

    @property
    def size(self) -> int:
        """Bytes that it counts for."""
        return len(self.fingerprint) + len(self.body) + OVERHEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much may be kept."""

    max_entries: int
    max_bytes: int

    def admit(self, entry: Entry) -> bool:
        """Whether the entry is worth its place: fresh for a while, and not larger than one may be."""
        return entry.ttl > 0 and entry.size <= self.max_bytes // LARGEST_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """How much a store holds now, and its bounds; a bound is 0 when the store bounds itself. `evictions` counts what
    this process dropped to stay within them, expiry not counted."""

    store: str
    entries: int
    bytes: int
    max_entries: int = 0
    max_bytes: int = 0
    evictions: int = 0


class Store(Protocol):
    """Keeps answers by fingerprint. Every method raises UNAVAILABLE when the store does not answer."""

    async def look_up(self, fingerprint: bytes, tenant: str = "", /) -> bytes | None:
        """The body kept under the fingerprint; None when there is none, or none that is fresh. `tenant` is whose it is, as in the
        entry's labels: a store that encrypts reads it with his key, others do not ask."""

    async def keep(self, entry: Entry) -> bool:
        """Keeps the entry in place of one with its fingerprint. False when the bounds do not admit it: then what was
        there stays; or when everything else is worth more: then nothing is kept under its fingerprint. Cancelling may leave it
        kept, never a part of it."""

    async def purge(self, selection: Selection) -> int:
        """Forgets what the selection fits, and says how many entries that were. Repeating it is harmless; cancelling, or
        UNAVAILABLE, may leave some."""

    async def take_stock(self) -> Holdings:
        """What is held now."""
