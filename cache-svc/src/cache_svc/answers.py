"""Answers and the log of what became of them: one order of steps, so that no copy outlives what was purged.

Whoever keeps a copy of an answer keeps the mark that came with it, and drops the copy when he hears of a change behind that mark
that fits. He keeps none whose mark is behind what he has heard already. So the mark is taken before the store is asked, and a
change is logged after the store has forgotten: an answer that was read before it was purged has a mark before that purge.
"""

from cache_svc.changes import ChangeLog, Mark
from cache_svc.measured import MeasuredStore
from cache_svc.store import Entry, Selection


class Answers:
    """One store and its log. Every method raises UNAVAILABLE when either does not answer."""

    def __init__(self, store: MeasuredStore, log: ChangeLog) -> None:
        self._store = store
        self._log = log

    async def look_up(self, fingerprint: bytes, tenant: str = "") -> tuple[bytes | None, Mark]:
        """The body kept for the tenant under the fingerprint, if any, and how far the log had come at the least when it was read."""
        mark = self._log.mark
        return await self._store.look_up(fingerprint, tenant), mark

    async def keep(self, entry: Entry, *, replaces: bool) -> tuple[bool, Mark]:
        """Whether the entry is kept, and how far the log had come at the least. `replaces` tells whoever has a copy of the entry
        before to drop it, also where the new one has no place: it is out of date all the same."""
        mark = self._log.mark
        is_kept = await self._store.keep(entry)
        if not replaces:
            return is_kept, mark
        own = await self._log.add(Selection(key_prefix=entry.fingerprint))
        # What came between may have purged this entry, too: then its mark has to stay behind.
        return is_kept, own if own == Mark(mark.epoch, mark.version + 1) else mark

    async def purge(self, selection: Selection) -> int:
        """Forgets, then logs, then says how many there were. Where it fails or is cancelled it has to be asked for again: some may
        be forgotten and not logged."""
        purged = await self._store.purge(selection)
        await self._log.add(selection)
        return purged

    def __repr__(self) -> str:
        return f"Answers({self._store!r}, {self._log!r})"
