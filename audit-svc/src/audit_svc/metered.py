"""A store that is measured: how much is kept, in which portions, how fast."""

from collections.abc import Sequence

from audit_svc.store import AuditStore, Conditions, Entry, Position
from chassis.clock import Clock
from chassis.metrics import Metrics

_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


class MeteredStore:
    """An AuditStore around another that counts what was kept; what failed is counted by the rpc's code."""

    def __init__(self, inner: AuditStore, metrics: Metrics, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._appended = metrics.counter("audit_appended", "Audit records kept")
        self._duplicates = metrics.counter("audit_duplicates", "Audit records dropped because they were already kept")
        self._sizes = metrics.histogram("audit_batch_records", "Audit records in a batch", buckets=_BATCH_BUCKETS)
        self._seconds = metrics.histogram("audit_append_seconds", "Time to make a batch of audit records durable")

    async def append(self, entries: Sequence[Entry]) -> int:
        """Measures a batch that was kept."""
        started = self._clock.monotonic()
        appended = await self._inner.append(entries)
        self._seconds.observe(self._clock.monotonic() - started)
        self._sizes.observe(len(entries))
        self._appended.inc(appended)
        self._duplicates.inc(len(entries) - appended)
        return appended

    async def search(self, conditions: Conditions, *, before: Position | None, limit: int) -> list[Entry]:
        """Passes the search on."""
        return await self._inner.search(conditions, before=before, limit=limit)

    def __repr__(self) -> str:
        return f"MeteredStore({self._inner!r})"
