"""Which leases may still be returned: when the last unit of each will have lapsed. In this process's memory."""

import heapq

from chassis.gcra import FINE

MAX_LEASES = 100_000
SWEEP = 16


class LeaseRecords:
    """At most `max_leases`; each is forgotten when it is returned or has lapsed, and a few lapsed ones at every new one."""

    def __init__(self, max_leases: int = MAX_LEASES) -> None:
        self._max_leases = max_leases
        self._ends: dict[tuple[bytes, str], int] = {}
        self._order: list[tuple[int, tuple[bytes, str]]] = []  # returned ones stay until they would have lapsed

    def has_room_for(self, newcomers: int, now: int) -> bool:
        """Whether as many more can be remembered; forgets what has lapsed at `now` (microseconds)."""
        for _ in range(SWEEP + newcomers):
            if not self._order or self._order[0][0] > now * FINE:
                break
            self._ends.pop(heapq.heappop(self._order)[1], None)
        return len(self._order) + newcomers <= self._max_leases

    def remember(self, key: bytes, lease_id: str, until: int) -> None:
        """Notes a lease of the subject `key` that is good `until` then (1/FINE microseconds)."""
        self._ends[key, lease_id] = until
        heapq.heappush(self._order, (until, (key, lease_id)))

    def take(self, key: bytes, lease_id: str) -> int | None:
        """Until when the lease is good, once; None for one that is not known, or was returned before."""
        return self._ends.pop((key, lease_id), None)

    def __len__(self) -> int:
        return len(self._ends)

    def __repr__(self) -> str:
        return f"LeaseRecords({len(self)} of {self._max_leases} leases)"
