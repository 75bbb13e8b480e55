"""How the cache is doing, put together from those who count."""

from cache_svc.keys import Keys
from cache_svc.measured import MeasuredStore
from cache_svc.uses import Uses
from cache_svc.watches import Watches
from runestone.cache.v1.cache_pb2 import GetStatisticsResponse


class Statistics:
    """What the store counts, what callers told, who watches."""

    def __init__(self, store: MeasuredStore, uses: Uses, watches: Watches, keys: Keys) -> None:
        self._store = store
        self.uses = uses
        self._watches = watches
        self._keys = keys

    async def describe(self) -> GetStatisticsResponse:
        """All of it, now. Raises UNAVAILABLE when the store does not answer."""
        stock, use = await self._store.take_stock(), self.uses.total
        return GetStatisticsResponse(
            store=stock.store,
            entries=stock.entries,
            bytes=stock.bytes,
            max_entries=stock.max_entries,
            max_bytes=stock.max_bytes,
            hits=self._store.hits,
            misses=self._store.misses,
            stores=self._store.stores,
            evictions=stock.evictions,
            near_hits=use.near_hits,
            near_misses=use.near_misses,
            coalesced=use.coalesced,
            saved_input_tokens=use.saved_input_tokens,
            saved_output_tokens=use.saved_output_tokens,
            saved_nano_usd=use.saved_nano_usd,
            purged=self._store.purged,
            watchers=self._watches.running,
            encrypted=self._keys.are_used,
        )
