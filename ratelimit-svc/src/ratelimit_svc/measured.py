"""A store with numbers around it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.gcra import Decision
from chassis.metrics import Metrics
from ratelimit_svc.lease import Ask, Grant, Leftover
from ratelimit_svc.limit import Limit
from ratelimit_svc.reservation import is_admitted
from ratelimit_svc.store import Store


class MeasuredStore:
    """Counts decisions by outcome (a call `admitted`, a call `refused`, a request `unavailable`) and units that were leased
    and returned, and measures how long the store took."""

    def __init__(self, store: Store, metrics: Metrics, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._decisions = metrics.counter("ratelimit_decisions", "Calls decided, by outcome", ("outcome",))
        self._leased = metrics.counter("ratelimit_leased_units", "Units that were taken ahead")
        self._returned = metrics.counter("ratelimit_returned_units", "Leased units that were given back")
        self._seconds = metrics.histogram("ratelimit_store_seconds", "Time the limiter's store took for a decision")

    async def reserve(self, limits: Sequence[Limit], now: int) -> list[Decision]:
        """What the store decides."""
        with self._measured():
            decisions = await self._store.reserve(limits, now)
        self._decisions.labels("admitted" if is_admitted(decisions) else "refused").inc()
        return decisions

    async def lease(self, asks: Sequence[Ask], calls: int, now: int) -> Grant:
        """What the store grants."""
        with self._measured():
            granted = await self._store.lease(asks, calls, now)
        self._decisions.labels("admitted").inc(granted.admitted)
        self._decisions.labels("refused").inc(calls - granted.admitted)
        self._leased.inc(sum(granted.units))
        return granted

    async def give_back(self, leftovers: Sequence[Leftover], now: int) -> list[int]:
        """What the store refunds."""
        with self._measured():
            refunded = await self._store.give_back(leftovers, now)
        self._returned.inc(sum(refunded))
        return refunded

    @contextmanager
    def _measured(self) -> Iterator[None]:
        started = self._clock.monotonic()
        try:
            yield
        except RunestoneError:
            self._decisions.labels("unavailable").inc()
            raise
        finally:
            self._seconds.observe(self._clock.monotonic() - started)

    def __repr__(self) -> str:
        return f"MeasuredStore({self._store!r})"
