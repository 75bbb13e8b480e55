"""Subjects in this process's memory: exact for one replica, gone with it."""

import heapq
from collections.abc import Sequence

from chassis.errors import Reason, RunestoneError
from chassis.gcra import FINE, Decision, good_until, refund
from ratelimit_svc.lease import Ask, Grant, Leftover, grant
from ratelimit_svc.lease_records import LeaseRecords
from ratelimit_svc.limit import Limit
from ratelimit_svc.reservation import is_admitted, settle

MAX_SUBJECTS = 100_000
SWEEP = 16


class MemoryStore:
    """At most `max_subjects` subjects that are not full; every reservation forgets a few of those that are.

    A subject that is full again is like one never seen, so forgetting it changes nothing. One that is not full is never
    forgotten, because that would give it its burst a second time: when there is no room, a new subject is UNAVAILABLE.
    Nothing here waits, so a reservation is one step on the event loop.
    """

    def __init__(self, max_subjects: int = MAX_SUBJECTS) -> None:
        self._max_subjects = max_subjects
        self._arrivals: dict[bytes, int] = {}
        # One entry a subject: a time at which it may be full. It may have been charged since; then it waits anew.
        self._returns: list[tuple[int, bytes]] = []
        self._leases = LeaseRecords()

    async def reserve(self, limits: Sequence[Limit], now: int) -> list[Decision]:
        """Never waits."""
        decisions = settle(limits, [self._arrivals.get(limit.key) for limit in limits], now)
        self._keep(limits, decisions, now, is_charged=is_admitted(decisions))
        return decisions

    async def lease(self, asks: Sequence[Ask], calls: int, now: int) -> Grant:
        """Never waits. Grants no units while it cannot remember more leases."""
        if not self._leases.has_room_for(len(asks), now):
            asks = [Ask(ask.limit, 0, ask.lease_id) for ask in asks]
        limits = [ask.limit for ask in asks]
        granted = grant(asks, calls, [self._arrivals.get(limit.key) for limit in limits], now)
        self._keep(limits, granted.decisions, now, is_charged=granted.admitted > 0 or any(granted.units))
        for ask, units in zip(asks, granted.units, strict=True):
            if units:
                self._leases.remember(ask.limit.key, ask.lease_id, good_until(ask.limit.rate, now, units))
        return granted

    async def give_back(self, leftovers: Sequence[Leftover], now: int) -> list[int]:
        """Never waits."""
        return [self._refund(leftover, now) for leftover in leftovers]

    def _refund(self, leftover: Leftover, now: int) -> int:
        key = leftover.limit.key
        until = self._leases.take(key, leftover.lease_id)
        if until is None or key not in self._arrivals:
            return 0
        given = refund(leftover.limit.rate, self._arrivals[key], until, now, leftover.units)
        self._arrivals[key] = given.arrival
        return given.amount

    def _keep(self, limits: Sequence[Limit], decisions: Sequence[Decision], now: int, *, is_charged: bool) -> None:
        self._sweep(now, SWEEP + len(limits))
        if is_charged:
            self._make_room(now, sum(limit.key not in self._arrivals for limit in limits))
        for limit, decision in zip(limits, decisions, strict=True):
            self._remember(limit.key, decision.arrival, now)

    def _sweep(self, now: int, steps: int) -> None:
        """More steps than a reservation adds subjects, so that the full ones never pile up while there are calls."""
        for _ in range(steps):
            if not self._forget_one(now):
                return

    def _make_room(self, now: int, newcomers: int) -> None:
        while len(self._arrivals) + newcomers > self._max_subjects:
            if not self._forget_one(now):
                message = f"the limiter remembers {self._max_subjects} subjects in use and has no room for more"
                raise RunestoneError(Reason.UNAVAILABLE, message)

    def _forget_one(self, now: int) -> bool:
        """Looks at the subject that may be full first and forgets it if it is; False when none can be full yet."""
        if not self._returns or self._returns[0][0] > now * FINE:
            return False
        key = self._returns[0][1]
        if self._arrivals[key] <= now * FINE:
            heapq.heappop(self._returns)
            del self._arrivals[key]
        else:
            heapq.heapreplace(self._returns, (self._arrivals[key], key))
        return True

    def _remember(self, key: bytes, arrival: int, now: int) -> None:
        if key not in self._arrivals:
            if arrival <= now * FINE:
                return
            heapq.heappush(self._returns, (arrival, key))
        self._arrivals[key] = arrival

    def __len__(self) -> int:
        return len(self._arrivals)

    def __repr__(self) -> str:
        return f"MemoryStore({len(self)} of {self._max_subjects} subjects, {self._leases!r})"
