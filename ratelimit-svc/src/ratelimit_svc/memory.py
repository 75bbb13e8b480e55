"""Subjects in this process's memory: exact for one replica, gone with it."""

import heapq
from collections.abc import Sequence

from chassis.errors import Reason, RunestoneError
from chassis.gcra import FINE, Decision
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

    async def reserve(self, limits: Sequence[Limit], now: int) -> list[Decision]:
        """Never waits."""
        decisions = settle(limits, [self._arrivals.get(limit.key) for limit in limits], now)
        self._sweep(now, SWEEP + len(limits))
        if is_admitted(decisions):
            self._make_room(now, sum(limit.key not in self._arrivals for limit in limits))
        for limit, decision in zip(limits, decisions, strict=True):
            self._remember(limit.key, decision.arrival, now)
        return decisions

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
        return f"MemoryStore({len(self)} of {self._max_subjects} subjects)"
