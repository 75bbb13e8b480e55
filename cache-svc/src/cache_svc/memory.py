"""Answers in this process's memory, bounded by entries and by bytes; gone with it."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from cache_svc.eviction.policy import Policy
from cache_svc.expiry import Calendar
from cache_svc.label_index import Group, LabelIndex
from cache_svc.shelves import Shelves
from cache_svc.store import Bounds, Entry, Holdings, Selection
from chassis.clock import Clock

STEP = 256  # entries that are dropped before other work gets a turn


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    size: int
    expires_at: float
    group: Group


class MemoryStore:
    """As many entries as the bounds allow; `policy` says which one goes first. Each operation is O(1) and never waits, but for
    `purge`.

    An entry that is over is dropped when it is touched, when room is needed, and by `sweep`. `on_eviction` hears of every
    fresh entry that was dropped to make room.
    """

    def __init__(
        self, bounds: Bounds, clock: Clock, policy: Policy, on_eviction: Callable[[], None] = lambda: None
    ) -> None:
        self._bounds = bounds
        self._clock = clock
        self._policy = policy
        self._on_eviction = on_eviction
        self._entries: Shelves[_Kept] = Shelves()
        self._index = LabelIndex()
        self._calendar = Calendar(clock.monotonic())
        self._bytes = 0
        self._evictions = 0

    async def look_up(self, fingerprint: bytes, _tenant: str = "", /) -> bytes | None:
        """A fresh body, which counts as used."""
        kept = self._entries.get(fingerprint)
        if kept is None:
            return None
        if kept.expires_at <= self._clock.monotonic():
            self._drop(fingerprint)
            return None
        self._policy.touch(fingerprint)
        return kept.body

    async def keep(self, entry: Entry) -> bool:
        """False also where the policy gives up this entry rather than another."""
        if not self._bounds.admit(entry):
            return False
        if entry.fingerprint in self._entries:
            self._drop(entry.fingerprint)
        self._put(entry)
        return self._make_room(entry.fingerprint)

    async def purge(self, selection: Selection) -> int:
        """In steps, between which other work gets its turn; what is kept meanwhile may stay. Without a key prefix only labels are
        looked at, and entries that fit."""
        purged = 0
        for step in self._forget_by_key(selection) if selection.key_prefix else self._forget_by_labels(selection):
            purged += step
            await asyncio.sleep(0)
        return purged

    async def take_stock(self) -> Holdings:
        """Entries that are over but not swept yet still count: they still take their room."""
        return Holdings(
            store="memory",
            entries=len(self._entries),
            bytes=self.used_bytes,
            max_entries=self._bounds.max_entries,
            max_bytes=self._bounds.max_bytes,
            evictions=self._evictions,
        )

    async def sweep(self, pause: float = 1.0) -> None:
        """Drops what is over, every `pause` seconds and a bounded number at a time, until cancelled."""
        while True:
            has_more = self.drop_expired()
            await asyncio.sleep(0 if has_more else pause)

    def drop_expired(self, steps: int = STEP) -> bool:
        """Drops entries that have been over for up to a second, in a bounded number of steps; says whether there may be
        more."""
        keys, has_more = self._calendar.take(self._clock.monotonic(), steps)
        for key in keys:
            self._drop(key, taken_from="calendar")
        return has_more

    def _put(self, entry: Entry) -> None:
        key, expires_at = entry.fingerprint, self._clock.monotonic() + entry.ttl
        kept = _Kept(entry.body, entry.size, expires_at, self._index.add(key, entry.labels))
        self._entries.put(key, kept)
        self._calendar.add(key, expires_at)
        self._policy.add(key, kept.size)
        self._bytes += kept.size

    def _make_room(self, newest: bytes) -> bool:
        """Whether the newest could stay."""
        if self._is_over():
            self.drop_expired()
        now = self._clock.monotonic()
        while self._is_over():
            victim = self._policy.give_up()
            kept = self._drop(victim, taken_from="policy")
            if victim != newest and kept.expires_at > now:
                self._evictions += 1
                self._on_eviction()
        return newest in self._entries

    def _is_over(self) -> bool:
        return len(self._entries) > self._bounds.max_entries or self.used_bytes > self._bounds.max_bytes

    def _forget_by_key(self, selection: Selection) -> Iterator[int]:
        """Forgets a step of entries for each number that it gives: how many fitted."""
        keys = self._entries.list_beside(selection.key_prefix)
        for start in range(0, len(keys), STEP):
            step = [key for key in keys[start : start + STEP] if self._fits(key, selection)]
            for key in step:
                self._drop(key)
            yield len(step)

    def _fits(self, key: bytes, selection: Selection) -> bool:
        kept = self._entries.get(key)
        return kept is not None and selection.fits(key, kept.group.labels)

    def _forget_by_labels(self, selection: Selection) -> Iterator[int]:
        """The same without a prefix. What comes into a group while it is emptied does not prolong it."""
        for number, group in enumerate(self._index.list_groups(selection.tenant), 1):
            if selection.fits(b"", group.labels):
                for _ in range(0, len(group.keys), STEP):
                    yield self._forget_some(group)
            if not number % STEP:
                yield 0

    def _forget_some(self, group: Group) -> int:
        keys = self._index.take(group, STEP)
        for key in keys:
            self._drop(key, taken_from="index")
        return len(keys)

    def _drop(self, key: bytes, taken_from: Literal["calendar", "policy", "index", "nothing"] = "nothing") -> _Kept:
        """Forgets an entry everywhere but where it was taken from."""
        kept = self._entries.pop(key)
        self._bytes -= kept.size
        if taken_from != "calendar":
            self._calendar.remove(key, kept.expires_at)
        if taken_from != "policy":
            self._policy.remove(key)
        if taken_from != "index":
            self._index.remove(key, kept.group)
        return kept

    @property
    def fingerprints(self) -> Collection[bytes]:
        """Of all entries held at any time; not to be kept over a wait while it is iterated."""
        return self._entries

    @property
    def entries(self) -> int:
        """Entries held now."""
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        """Bytes that they and their labels count for."""
        return self._bytes + self._index.bytes

    def __repr__(self) -> str:
        return f"MemoryStore({self.entries} entries, {self.used_bytes} of {self._bounds.max_bytes} bytes)"
