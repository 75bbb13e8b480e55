"""reserve.lua is chassis/gcra.py, whatever it finds; and a Redis that loses things does no harm."""

import hashlib
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.gcra import FINE, MAX_QUANTITY, Rate, decide
from chassis.redis import RedisPool, Script
from chassis.testing import free_port
from ratelimit_svc.limit import CENTURY, Limit, make_limit
from ratelimit_svc.redis_store import PREFIX, RESERVE, RedisStore, _arguments
from ratelimit_svc.reservation import is_admitted, settle

SECOND, MINUTE = 1_000_000, 60_000_000
keys = map(int.to_bytes, itertools.count(1), itertools.repeat(32))

rates = st.builds(
    Rate,
    quantity=st.integers(1, 3) | st.integers(1, 20) | st.integers(1, MAX_QUANTITY),
    period=st.integers(1, 1000) | st.integers(1, 400 * 86_400_000_000),
    burst=st.integers(1, 20) | st.integers(1, 10**12),
).filter(lambda rate: rate.period * rate.burst <= CENTURY * rate.quantity)
# The script, and what its keys hold after it: in one script, because time stands still for expiry only within one.
SOURCE = f"""
    local answer = (function() {RESERVE.source} end)()
    for _, key in ipairs(KEYS) do
        table.insert(answer, redis.call('GET', key))
        table.insert(answer, redis.call('PEXPIRETIME', key))
    end
    return answer
"""
WATCHED = Script(SOURCE, hashlib.sha1(SOURCE.encode()).hexdigest())

# A limit, and how much of its burst is used already (more than 1: by a clock that was ahead, or an older rate).
found = st.tuples(rates, st.integers(1, 5) | st.integers(1, 2**64 - 1), st.none() | st.floats(-0.1, 1.5))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(found, min_size=1, max_size=4))
async def test_the_script_decides_and_keeps_what_the_algorithm_does(redis_pools, cases):
    pool = redis_pools[0]
    seconds, micros = await pool.ask("TIME")
    limits = [Limit(next(keys), rate, amount) for rate, amount, _ in cases]
    names = [PREFIX + limit.key.hex() for limit in limits]
    for (rate, _, used), name in zip(cases, names, strict=True):
        if used is not None:
            ahead = int(rate.period * rate.burst * FINE * used) // rate.quantity
            arrival = (int(seconds) * 1_000_000 + int(micros)) * FINE + ahead
            await pool.ask("SET", name, arrival)
    before = [await pool.ask("GET", name) for name in names]

    arguments = [number for limit in limits for number in _arguments(limit)]
    now, *answer = await pool.run(WATCHED, names, arguments)
    held, after = answer[: len(limits)], zip(answer[len(limits) :: 2], answer[len(limits) + 1 :: 2], strict=True)

    assert held == before
    decisions = settle(limits, [None if one is None else int(one) for one in held], int(now))
    for limit, decision, old, (kept, expires) in zip(limits, decisions, held, after, strict=True):
        if kept is None and decision.reset_after < SECOND:
            continue  # a script that was held up may find it full already
        state = None if kept is None else int(kept)
        assert decide(limit.rate, state, int(now), 0) == decide(limit.rate, decision.arrival, int(now), 0)
        ceiling = (int(now) + limit.rate.period * limit.rate.burst // limit.rate.quantity + 1) * FINE
        assert state is None or state <= ceiling
        if not is_admitted(decisions) and (old is None or int(old) <= ceiling - FINE):
            assert kept == old
        if kept != old:
            assert 0 <= expires * 1000 - state / FINE <= 2000


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
