"""Subjects in Redis: one script call a reservation, so that any number of replicas never admit more than one would."""

from collections.abc import Sequence

from chassis.gcra import Decision
from chassis.redis import RedisPool, Script
from ratelimit_svc.limit import Limit
from ratelimit_svc.reservation import settle

PREFIX = "rs:rl:"
RESERVE = Script.load("ratelimit_svc", "reserve.lua")


class RedisStore:
    """One key a subject, which Redis forgets when the subject is full again.

    The script decides and charges by Redis' own clock and gives back what it decided on; the figures of the decision are
    computed from that here. Redis may forget its scripts, not its keys: what is evicted has its burst a second time.
    """

    def __init__(self, pool: RedisPool) -> None:
        self._pool = pool

    async def reserve(self, limits: Sequence[Limit], now: int) -> list[Decision]:  # noqa: ARG002  Redis has the time
        """Ignores `now`."""
        keys = [PREFIX + limit.key.hex() for limit in limits]
        arguments = [number for limit in limits for number in _arguments(limit)]
        redis_now, *held = await self._pool.run(RESERVE, keys, arguments)
        return settle(limits, [None if arrival is None else int(arrival) for arrival in held], int(redis_now))

    def __repr__(self) -> str:
        return f"RedisStore({self._pool!r})"


def _arguments(limit: Limit) -> tuple[int, ...]:
    """What reserve.lua wants of a limit. More than the burst is refused however much it is: Lua's numbers end at 2^53."""
    rate = limit.rate
    cost = rate.period * min(limit.amount, rate.burst + 1)
    return rate.quantity, *divmod(cost, rate.quantity), *divmod(rate.period * rate.burst, rate.quantity)
