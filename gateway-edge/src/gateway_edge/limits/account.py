"""What this edge holds of one limit. Pure: times are given, in microseconds of a clock that never steps back."""

from collections import deque
from dataclasses import dataclass

from chassis.gcra import count_lapsed
from gateway_edge.limits.limit import RequestLimit
from gateway_edge.limits.verdict import Verdict

SECOND = 1_000_000
WARM = 3.0  # calls a second from which a lease saves more than it costs
LASTING = 1.0  # seconds that a lease should last
MAX_AHEAD = 10_000_000  # the most that ratelimit-svc may be asked for
LOW = 4  # a lease is renewed when less than this part of it is left


class UseMeter:
    """Calls in about the last second, out of two counters."""

    __slots__ = ("_before", "_count", "_second")

    def __init__(self) -> None:
        self._second, self._count, self._before = 0, 0, 0

    def note(self, now: int) -> None:
        """Counts a call."""
        self._turn(now)
        self._count += 1

    def per_second(self, now: int) -> float:
        """How many there were: this second's, and as much of the last one's as the window still covers."""
        self._turn(now)
        return self._count + self._before * (1 - now % SECOND / SECOND)

    def _turn(self, now: int) -> None:
        second = now // SECOND
        if second != self._second:
            self._before = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0


@dataclass(slots=True, eq=False)
class Lease:
    """`units` that were asked for at `asked_at`, of which `left` are not spent; at `weighed_at` none of those had lapsed."""

    id: str
    units: int
    left: int
    asked_at: int
    is_renewed: bool = False
    weighed_at: int = -1


class Account:
    """The leases of one limit, how it stood when ratelimit-svc last spoke, and how much it is used here."""

    __slots__ = ("_heard_at", "_verdict", "leases", "limit", "pending", "use", "used_at")

    def __init__(self, limit: RequestLimit, now: int) -> None:
        self.limit = limit
        self.use = UseMeter()
        self.used_at = now
        self.pending = 0  # units that were asked for and not answered yet
        self.leases: deque[Lease] = deque()
        self._verdict, self._heard_at = Verdict(True, limit.rate.burst, 0), now

    def take(self, now: int) -> Lease | None:
        """Spends a unit of the oldest lease that has one, forgetting those that have none; None when all are dry."""
        while self.leases:
            lease = self.leases[0]
            # What has lapsed is let go for good: it may not be spent later, when the rest has lapsed too.
            lease.left, lease.weighed_at = self._good(lease, now), now
            if lease.left > 0:
                lease.left -= 1
                return lease
            self.leases.popleft()
        return None

    def units(self, now: int) -> int:
        """How many leased units may still be spent."""
        return sum([max(0, self._good(lease, now)) for lease in self.leases])

    def is_low(self, now: int) -> bool:
        """Whether the newest lease is nearly dry; says so once a lease."""
        lease = self.leases[-1] if self.leases else None
        if lease is None or lease.is_renewed or self._good(lease, now) * LOW > lease.units:
            return False
        lease.is_renewed = True
        return True

    def count_ahead(self, now: int) -> int:
        """How many units to ask for: what lasts a second at the pace at which they are spent or lapse, and one for the time that
        asking takes. None for a limit that is hardly used."""
        use = self.use.per_second(now)
        if use < WARM:
            return 0
        rate = self.limit.rate
        pace = max(use, rate.quantity * SECOND / rate.period)
        wanted = int(pace * LASTING) + 2 - self.units(now) - self.pending
        return max(0, min(MAX_AHEAD, wanted))

    def hear(self, verdict: Verdict, now: int) -> None:
        """Notes what ratelimit-svc said."""
        self._verdict, self._heard_at = verdict, now

    def view(self, now: int) -> Verdict:
        """How the limit stands, as far as is known here: what ratelimit-svc said, what came back since, and what is leased."""
        rate, since, units = self.limit.rate, now - self._heard_at, self.units(now)
        remaining = self._verdict.remaining + since * rate.quantity // rate.period + units
        reset_after = self._verdict.reset_after - since - units * rate.period // rate.quantity
        return Verdict(True, min(remaining, rate.burst), max(0, reset_after))

    def _good(self, lease: Lease, now: int) -> int:
        """A call asks three times in the same microsecond: when it spends, whether the lease is low, what is left."""
        if lease.weighed_at == now:
            return lease.left
        return min(lease.left, lease.units - count_lapsed(self.limit.rate, now - lease.asked_at))
