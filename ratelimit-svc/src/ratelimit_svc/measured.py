"""A store with numbers around it."""

from collections.abc import Sequence

from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.gcra import Decision
from chassis.metrics import Metrics
from ratelimit_svc.limit import Limit
from ratelimit_svc.reservation import is_admitted
from ratelimit_svc.store import Store


class MeasuredStore:
    """Counts reservations by outcome (`admitted`, `refused`, `unavailable`) and measures how long the store took."""

    def __init__(self, store: Store, metrics: Metrics, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._decisions = metrics.counter("ratelimit_decisions", "Reservations, by outcome", ("outcome",))
        self._seconds = metrics.histogram("ratelimit_store_seconds", "Time the limiter's store took for a reservation")

    async def reserve(self, limits: Sequence[Limit], now: int) -> list[Decision]:
        """What the store decides."""
        started = self._clock.monotonic()
        try:
            decisions = await self._store.reserve(limits, now)
        except RunestoneError:
            self._decisions.labels("unavailable").inc()
            raise
        finally:
            self._seconds.observe(self._clock.monotonic() - started)
        self._decisions.labels("admitted" if is_admitted(decisions) else "refused").inc()
        return decisions

    def __repr__(self) -> str:
        return f"MeasuredStore({self._store!r})"
