"""Answers in this process's memory, bounded by entries and by bytes; gone with it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from cache_svc.expiry import Calendar
from cache_svc.store import Bounds, Entry, Holdings, Labels, Selection
from chassis.clock import Clock

STEP = 256  # entries that are dropped before other work gets a turn


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    size: int
    expires_at: float
    labels: Labels


class MemoryStore:
    """The entries used last, as many as the bounds allow; each operation is O(1) and never waits.

    An entry that is over is dropped when it is touched, when room is needed, and by `sweep`. `on_eviction` hears of every
    fresh entry that was dropped to make room.
    """

    def __init__(self, bounds: Bounds, clock: Clock, on_eviction: Callable[[], None] = lambda: None) -> None:
        self._bounds = bounds
        self._clock = clock
        self._on_eviction = on_eviction
        self._entries: OrderedDict[bytes, _Kept] = OrderedDict()
        self._calendar = Calendar(clock.monotonic())
        self._bytes = 0
        self._evictions = 0

    async def look_up(self, fingerprint: bytes) -> bytes | None:
        """A fresh body, which then counts as used last."""
        kept = self._entries.get(fingerprint)
        if kept is None:
            return None
        if kept.expires_at <= self._clock.monotonic():
            self._drop(fingerprint)
            return None
        self._entries.move_to_end(fingerprint)
        return kept.body

    async def keep(self, entry: Entry) -> bool:
        """Drops what was used longest ago as far as the entry needs room."""
        if not self._bounds.admit(entry):
            return False
        if entry.fingerprint in self._entries:
            self._drop(entry.fingerprint)
        self._make_room(entry.size)
        kept = _Kept(entry.body, entry.size, self._clock.monotonic() + entry.ttl, entry.labels)
        self._entries[entry.fingerprint] = kept
        self._calendar.add(entry.fingerprint, kept.expires_at)
        self._bytes += kept.size
        return True

    async def purge(self, selection: Selection) -> int:
        """In steps, between which other work gets its turn. What is kept meanwhile may stay."""
        purged = 0
        for number, fingerprint in enumerate(list(self._entries), 1):
            kept = self._entries.get(fingerprint)
            if kept is not None and selection.fits(fingerprint, kept.labels):
                self._drop(fingerprint)
                purged += 1
            if not number % STEP:
                await asyncio.sleep(0)
        return purged

    async def take_stock(self) -> Holdings:
        """Entries that are over but not swept yet still count: they still take their room."""
        return Holdings(
            store="memory",
            entries=len(self._entries),
            bytes=self._bytes,
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
            self._bytes -= self._entries.pop(key).size
        return has_more

    def _make_room(self, size: int) -> None:
        if self._lacks_room(size):
            self.drop_expired()
        now = self._clock.monotonic()
        while self._lacks_room(size):
            oldest = next(iter(self._entries))
            if self._drop(oldest).expires_at > now:
                self._evictions += 1
                self._on_eviction()

    def _lacks_room(self, size: int) -> bool:
        return len(self._entries) >= self._bounds.max_entries or self._bytes + size > self._bounds.max_bytes

    def _drop(self, fingerprint: bytes) -> _Kept:
        kept = self._entries.pop(fingerprint)
        self._calendar.remove(fingerprint, kept.expires_at)
        self._bytes -= kept.size
        return kept

    @property
    def entries(self) -> int:
        """Entries held now."""
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        """Bytes that they count for."""
        return self._bytes

    def __repr__(self) -> str:
        return f"MemoryStore({self.entries} entries, {self.used_bytes} of {self._bounds.max_bytes} bytes)"
