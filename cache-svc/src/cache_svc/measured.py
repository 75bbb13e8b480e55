"""A store with counters around it."""

from cache_svc.store import Entry, Holdings, Selection, Store
from chassis.errors import RunestoneError
from chassis.metrics import Metrics


class MeasuredStore:
    """Counts look-ups by outcome (`hit`, `miss`, `unavailable`), answers stored and answers purged, since the service's start."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._lookups = metrics.counter("cache_lookups", "Look-ups, by outcome", ("outcome",))
        self._stored = metrics.counter("cache_stores", "Answers stored")
        self._purged = metrics.counter("cache_purged", "Answers purged")
        self.hits = 0
        self.misses = 0
        self.stores = 0
        self.purged = 0

    async def look_up(self, fingerprint: bytes, tenant: str = "", /) -> bytes | None:
        """What the store has."""
        try:
            body = await self._store.look_up(fingerprint, tenant)
        except RunestoneError:
            self._lookups.labels("unavailable").inc()
            raise
        if body is None:
            self.misses += 1
        else:
            self.hits += 1
        self._lookups.labels("miss" if body is None else "hit").inc()
        return body

    async def keep(self, entry: Entry) -> bool:
        """Whether the store keeps it."""
        is_kept = await self._store.keep(entry)
        if is_kept:
            self.stores += 1
            self._stored.inc()
        return is_kept

    async def purge(self, selection: Selection) -> int:
        """How many entries the store forgot."""
        purged = await self._store.purge(selection)
        self.purged += purged
        self._purged.inc(purged)
        return purged

    async def take_stock(self) -> Holdings:
        """What the store holds."""
        return await self._store.take_stock()

    def __repr__(self) -> str:
        return f"MeasuredStore({self.hits} hits, {self.misses} misses, {self.stores} stores, {self._store!r})"
