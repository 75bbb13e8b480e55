"""Subjects in Redis: one script call a request, so that any number of replicas never admit more than one would."""

from collections.abc import Sequence

from chassis.gcra import Decision, refund
from chassis.redis import RedisPool, Script
from ratelimit_svc.lease import SHARE, Ask, Grant, Leftover, grant
from ratelimit_svc.limit import Limit
from ratelimit_svc.reservation import settle

PREFIX = "rs:rl:"
RESERVE = Script.load("ratelimit_svc", "reserve.lua")
GIVE_BACK = Script.load("ratelimit_svc", "give_back.lua")


class RedisStore:
    """One key a subject, which Redis forgets when the subject is full again, and one a lease, until it has lapsed.

    The scripts decide and charge by Redis' own clock and give back what they decided on; the figures of the decision are
    computed from that here. Redis may forget its scripts, not its keys: what is evicted has its burst a second time.
    """

    def __init__(self, pool: RedisPool) -> None:
        self._pool = pool

    async def reserve(self, limits: Sequence[Limit], now: int) -> list[Decision]:  # noqa: ARG002  Redis has the time
        """Ignores `now`."""
        keys = [_subject(limit) for limit in limits]
        arguments = [number for limit in limits for number in (*_arguments(limit), 0)]
        redis_now, *held = await self._pool.run(RESERVE, keys, [1, SHARE, *arguments])
        return settle(limits, [_number(arrival) for arrival in held], int(redis_now))

    async def lease(self, asks: Sequence[Ask], calls: int, now: int) -> Grant:  # noqa: ARG002  as above
        """Ignores `now`."""
        keys = [*(_subject(ask.limit) for ask in asks), *(_lease(ask.limit, ask.lease_id) for ask in asks)]
        arguments = [number for ask in asks for number in (*_arguments(ask.limit), ask.ahead)]
        redis_now, *held = await self._pool.run(RESERVE, keys, [calls, SHARE, *arguments])
        return grant(asks, calls, [_number(arrival) for arrival in held], int(redis_now))

    async def give_back(self, leftovers: Sequence[Leftover], now: int) -> list[int]:  # noqa: ARG002  as above
        """Ignores `now`."""
        keys = [key for left in leftovers for key in (_subject(left.limit), _lease(left.limit, left.lease_id))]
        arguments = [number for left in leftovers for number in _worth(left)]
        redis_now, *found = await self._pool.run(GIVE_BACK, keys, arguments)
        return [
            0
            if until is None
            else refund(left.limit.rate, _number(held), int(until), int(redis_now), left.units).amount
            for left, until, held in zip(leftovers, found[::2], found[1::2], strict=True)
        ]

    def __repr__(self) -> str:
        return f"RedisStore({self._pool!r})"


def _subject(limit: Limit) -> str:
    return PREFIX + limit.key.hex()


def _lease(limit: Limit, lease_id: str) -> str:
    """Under its subject's key: a lease cannot be returned to another subject."""
    return f"{_subject(limit)}:{lease_id}"


def _arguments(limit: Limit) -> tuple[int, ...]:
    """What reserve.lua wants of a limit. More than the burst is refused however much it is: Lua's numbers end at 2^53."""
    rate = limit.rate
    cost = rate.period * min(limit.amount, rate.burst + 1)
    return rate.quantity, *divmod(cost, rate.quantity), *divmod(rate.period * rate.burst, rate.quantity)


def _worth(left: Leftover) -> tuple[int, ...]:
    """What give_back.lua wants of a leftover."""
    rate = left.limit.rate
    return rate.quantity, *divmod(rate.period * left.units, rate.quantity)


def _number(held: bytes | None) -> int | None:
    return None if held is None else int(held)
