"""Charges what binds a request, under every limit or under none."""

from collections.abc import Sequence

from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.gcra import Decision
from ratelimit_svc.envoy.binding import Bond, merge, without_use
from ratelimit_svc.envoy.verdict import Standing, refuse_empty, stand
from ratelimit_svc.limit import Limit
from ratelimit_svc.store import Store

Decisions = dict[bytes, Decision]  # by the limit's key


class Judge:
    """Over one store.

    The limits that are enforced are charged as one step, or none is. Shadows are charged after that, each by itself, if the
    request may go on: they show what they would do beside the others, and can neither refuse nor fail it.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def judge(self, bonds: Sequence[Bond]) -> list[Standing]:
        """How each descriptor stands. Raises UNAVAILABLE when the store cannot decide."""
        now = int(self._clock.monotonic() * 1_000_000)
        enforced = [bond for bond in bonds if not bond.is_shadow]
        decisions = await self._enforce(enforced, now)
        may_go_on = not any(standing.is_over for standing in stand(enforced, decisions))
        shadows = merge(bond for bond in bonds if bond.is_shadow)
        for limit in shadows if may_go_on else without_use(shadows):
            decisions |= await self._watch(limit, now)
        return stand(bonds, decisions)

    async def _enforce(self, bonds: Sequence[Bond], now: int) -> Decisions:
        limits = merge(bonds)
        is_closed = any(bond.is_closed for bond in bonds)
        if is_closed or not all(limit.amount for limit in limits):
            # Some only ask. Where one of those is empty, or the rule is to refuse, nothing is charged.
            seen = await self._reserve(without_use(limits), now)
            empty = {limit.key for limit in limits if not limit.amount and not seen[limit.key].remaining}
            if is_closed or empty:
                by_key = {limit.key: limit for limit in limits}
                return seen | {key: refuse_empty(by_key[key], seen[key]) for key in empty}
        return await self._reserve(limits, now)

    async def _watch(self, limit: Limit, now: int) -> Decisions:
        try:
            return await self._reserve([limit], now)
        except RunestoneError:
            return {}

    async def _reserve(self, limits: Sequence[Limit], now: int) -> Decisions:
        if not limits:
            return {}
        decisions = await self._store.reserve(limits, now)
        return {limit.key: decision for limit, decision in zip(limits, decisions, strict=True)}

    def __repr__(self) -> str:
        return f"Judge({self._store!r})"
