"""The scripts are chassis/gcra.py, whatever they find; and a Redis that loses things does no harm."""

import hashlib
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.gcra import FINE, MAX_QUANTITY, Rate, decide, good_until, refund
from chassis.redis import RedisPool, Script
from chassis.testing import free_port
from ratelimit_svc.lease import MAX_CALLS, MAX_UNITS, Ask, Leftover, grant
from ratelimit_svc.limit import CENTURY, Limit, make_limit
from ratelimit_svc.redis_store import RedisStore, _lease, _subject
from ratelimit_svc.reservation import is_admitted, settle

SECOND, MINUTE = 1_000_000, 60_000_000
keys = map(int.to_bytes, itertools.count(1), itertools.repeat(32))

rates = st.builds(
    Rate,
    quantity=st.integers(1, 3) | st.integers(1, 20) | st.integers(1, MAX_QUANTITY),
    period=st.integers(1, 1000) | st.integers(1, 400 * 86_400_000_000),
    burst=st.integers(1, 20) | st.integers(1, 10**12),
).filter(lambda rate: rate.period * rate.burst <= CENTURY * rate.quantity)


def watched(script):
    """The script, and what its keys hold after it: in one script, because time stands still for expiry only within one."""
    source = f"""
        local answer = (function() {script.source} end)()
        for _, key in ipairs(KEYS) do
            table.insert(answer, redis.call('GET', key))
            table.insert(answer, redis.call('PEXPIRETIME', key))
        end
        return answer
    """
    return Script(source, hashlib.sha1(source.encode()).hexdigest())


class WatchedPool:
    """A pool whose scripts also say what their keys hold afterwards, and that keeps what they were given and said."""

    def __init__(self, pool):
        self.pool = pool

    async def run(self, script, keys, arguments):
        self.before = [number(await self.pool.ask("GET", key)) for key in keys]
        answer = await self.pool.run(watched(script), keys, arguments)
        said, after = answer[: -2 * len(keys)], answer[-2 * len(keys) :]
        self.now = int(said[0])
        self.after = dict(zip(keys, zip(map(number, after[::2]), after[1::2], strict=True), strict=True))
        return said

    async def put(self, key, rate, used):
        """Lets a key hold a time that is this share of the rate's burst ahead."""
        if used is not None:
            seconds, micros = await self.pool.ask("TIME")
            ahead = int(rate.period * rate.burst * FINE * used) // rate.quantity
            await self.pool.ask("SET", key, (int(seconds) * 1_000_000 + int(micros)) * FINE + ahead)

    def check_kept(self, key, rate, expected):
        """The key holds a state as good as the expected one, and Redis forgets it when the subject is full."""
        kept, expires = self.after[key]
        state = decide(rate, expected, self.now, 0)
        if kept is None:
            assert state.reset_after < SECOND  # a script that was held up may find it full already
            return
        assert decide(rate, kept, self.now, 0) == state
        ceiling = (self.now + rate.period * rate.burst // rate.quantity + 1) * FINE
        assert kept <= max(ceiling, expected)
        if expires > 0:
            assert 0 <= expires * 1000 - kept / FINE <= 2000


def number(text):
    return None if text is None else int(text)


# A limit, and how much of its burst is used already (more than 1: by a clock that was ahead, or an older rate).
levels = st.none() | st.floats(-0.1, 1.5)
found = st.tuples(rates, st.integers(1, 5) | st.integers(1, 2**64 - 1), levels)
against_redis = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@against_redis
@given(st.lists(found, min_size=1, max_size=4))
async def test_the_script_decides_and_keeps_what_the_algorithm_does(redis_pools, cases):
    pool = WatchedPool(redis_pools[0])
    limits = [Limit(next(keys), rate, amount) for rate, amount, _ in cases]
    for limit, (rate, _, used) in zip(limits, cases, strict=True):
        await pool.put(_subject(limit), rate, used)
    decisions = await RedisStore(pool).reserve(limits, 0)
    assert decisions == settle(limits, pool.before, pool.now)
    for limit, decision in zip(limits, decisions, strict=True):
        pool.check_kept(_subject(limit), limit.rate, decision.arrival)


aheads = st.integers(0, 20) | st.integers(0, MAX_UNITS)


@against_redis
@given(
    st.lists(st.tuples(rates, aheads, levels), min_size=1, max_size=4), st.integers(0, 12) | st.integers(0, MAX_CALLS)
)
async def test_the_script_grants_and_remembers_what_the_algorithm_does(redis_pools, cases, calls):
    pool = WatchedPool(redis_pools[0])
    asks = [Ask(Limit(next(keys), rate, 1), ahead, "lease") for rate, ahead, _ in cases]
    for ask, (rate, _, used) in zip(asks, cases, strict=True):
        await pool.put(_subject(ask.limit), rate, used)
    granted = await RedisStore(pool).lease(asks, calls, 0)
    assert granted == grant(asks, calls, pool.before[: len(asks)], pool.now)
    for ask, units, decision in zip(asks, granted.units, granted.decisions, strict=True):
        pool.check_kept(_subject(ask.limit), ask.limit.rate, decision.arrival)
        if units:
            pool.check_kept(_lease(ask.limit, "lease"), ask.limit.rate, good_until(ask.limit.rate, pool.now, units))
        else:
            assert pool.after[_lease(ask.limit, "lease")][0] is None


@against_redis
@given(st.lists(st.tuples(rates, aheads, levels, levels), min_size=1, max_size=4))
async def test_the_script_refunds_what_the_algorithm_does(redis_pools, cases):
    pool = WatchedPool(redis_pools[0])
    leftovers = [Leftover("lease", Limit(next(keys), rate, 1), units) for rate, units, _, _ in cases]
    for left, (rate, _, used, good) in zip(leftovers, cases, strict=True):
        await pool.put(_subject(left.limit), rate, used)
        await pool.put(_lease(left.limit, "lease"), rate, good)
    refunded = await RedisStore(pool).give_back(leftovers, 0)
    for left, units, held, until in zip(leftovers, refunded, pool.before[::2], pool.before[1::2], strict=True):
        if until is None:
            assert units == 0
            assert pool.after[_subject(left.limit)][0] == held
        else:
            expected = refund(left.limit.rate, held, until, pool.now, left.units)
            assert units == expected.amount
            pool.check_kept(_subject(left.limit), left.limit.rate, expected.arrival)
        assert pool.after[_lease(left.limit, "lease")][0] is None


async def test_flushed_scripts_cost_nothing(redis_pools):
    store = RedisStore(redis_pools[0])
    limit = make_limit(["t"], "n", quantity=10, period=MINUTE * 60, burst=0, amount=1)
    await store.reserve([limit], 0)
    await redis_pools[0].ask("SCRIPT", "FLUSH")
    assert (await store.reserve([limit], 0))[0].remaining == 8


async def test_a_lost_store_begins_again_with_full_bursts(redis_pools):
    store = RedisStore(redis_pools[0])
    limit = make_limit(["t"], "n", quantity=10, period=MINUTE * 60, burst=0, amount=10)
    await store.reserve([limit], 0)
    await redis_pools[0].ask("FLUSHALL")
    assert is_admitted(await store.reserve([limit], 0))


async def test_a_subject_is_gone_when_it_is_full_again(redis_pools):
    """Redis' own expiry keeps the store small."""
    store, limit = RedisStore(redis_pools[0]), make_limit(["t"], "n", quantity=1, period=1000, burst=1, amount=1)
    assert is_admitted(await store.reserve([limit], 0))
    while await redis_pools[0].ask("DBSIZE"):
        pass
    assert is_admitted(await store.reserve([limit], 0))


async def test_what_is_refused_is_admitted_after_its_wait(redis_pools):
    """Also by Redis' own clock: asking until it is let in never takes more than the burst and what came since."""
    store, limit = RedisStore(redis_pools[0]), make_limit(["t"], "n", quantity=50, period=1_000_000, burst=1, amount=1)
    assert is_admitted(await store.reserve([limit], 0))
    waits = []
    while not (decision := (await store.reserve([limit], 0))[0]).is_admitted:
        waits.append(decision.retry_after)
    assert waits == sorted(waits, reverse=True)
    assert all(0 < wait <= 20_000 for wait in waits)


async def test_a_store_that_is_not_there_is_unavailable():
    async with RedisPool(f"redis://127.0.0.1:{free_port()}/0", deadline=10) as pool:
        limit = make_limit(["t"], "n", quantity=1, period=MINUTE, burst=0, amount=0)
        with pytest.raises(RunestoneError) as caught:
            await RedisStore(pool).reserve([limit], 0)
        assert caught.value.reason is Reason.UNAVAILABLE
