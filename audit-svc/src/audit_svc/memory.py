"""The store's twin for tests: it keeps everything for as long as the process lives."""

from collections.abc import Sequence

from audit_svc.store import Conditions, Entry, Position


class MemoryStore:
    """An AuditStore in a dictionary, without bound. It promises no durability, so no configuration selects it."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    async def append(self, entries: Sequence[Entry]) -> int:
        """Keeps the entries whose request_id is new."""
        kept = len(self._entries)
        for entry in entries:
            self._entries.setdefault(entry.request_id, entry)
        return len(self._entries) - kept

    async def search(self, conditions: Conditions, *, before: Position | None, limit: int) -> list[Entry]:
        """Looks at every entry."""
        found = [
            entry
            for entry in self._entries.values()
            if conditions.hold_for(entry) and (before is None or entry.position < before)
        ]
        return sorted(found, key=lambda entry: entry.position, reverse=True)[:limit]

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._entries)} entries)"
