"""What the service needs of a place that remembers what was used."""

from collections.abc import Sequence
from typing import Protocol

from chassis.gcra import Decision
from ratelimit_svc.lease import Ask, Grant, Leftover
from ratelimit_svc.limit import Limit


class Store(Protocol):
    """Remembers each subject's theoretical arrival time for as long as it is not full again."""

    async def reserve(self, limits: Sequence[Limit], now: int) -> list[Decision]:
        """Reserves under all `limits` or none, as one step that nothing comes between; decisions in their order.

        `now` is in microseconds, of a clock that never steps back; a store shared by several replicas uses its own, so
        that they agree. Raises UNAVAILABLE when it cannot decide; nothing is known to be charged then. Cancelling
        may leave the charge in place, never a part of it.
        """

    async def lease(self, asks: Sequence[Ask], calls: int, now: int) -> Grant:
        """Admits up to `calls` calls and takes units ahead, as `lease.grant` says, as one step; remembers each lease until
        it has lapsed. `now`, errors and cancelling as in `reserve`."""

    async def give_back(self, leftovers: Sequence[Leftover], now: int) -> list[int]:
        """Refunds what is left of leases, as far as it is still good, each lease once; how many units each was, 0 for one
        that is not known. `now` as in `reserve`. Raises UNAVAILABLE; then it is not known what was refunded, and
        repeating it refunds nothing twice."""
