"""A Redis that loses things, or may, does no harm that is not said."""

import secrets

import pytest
import structlog.testing

from cache_svc.state.opening import warn_of_eviction
from cache_svc.state.redis_state import CALL, NONCE, RedisState
from cache_svc.state.store import CLAIMED, RUNNING, Ask, digest
from chassis.errors import Reason, RunestoneError
from chassis.logs import get_logger

KEY, SCOPE = digest("call", "s", "k"), digest("scope", "s")


@pytest.fixture
def state(redis_pool):
    return RedisState(redis_pool, 1 << 20)


def ask():
    return Ask(key=KEY, fingerprint=b"f" * 32, token=secrets.token_bytes(16), claim_ttl=60)


async def test_flushed_scripts_cost_nothing(redis_pool, state):
    mine = ask()
    await redis_pool.ask("SCRIPT", "FLUSH")
    assert await state.begin(mine) == CLAIMED
    await redis_pool.ask("SCRIPT", "FLUSH")
    await state.renew(KEY, mine.token, 60)
    await redis_pool.ask("SCRIPT", "FLUSH")
    assert await state.finish(KEY, mine.token, b"a", 60)
    await redis_pool.ask("SCRIPT", "FLUSH")
    await state.abandon(KEY, mine.token)


async def test_after_a_lost_store_a_claim_is_lost_and_the_key_free(redis_pool, state):
    mine, other = ask(), ask()
    await state.begin(mine)
    await redis_pool.ask("FLUSHALL")
    for lost in (state.renew(KEY, mine.token, 60), state.finish(KEY, mine.token, b"a", 60)):
        with pytest.raises(RunestoneError) as caught:
            await lost
        assert caught.value.reason is Reason.NOT_FOUND
    assert await state.begin(other) == CLAIMED
    await state.abandon(KEY, mine.token)
    assert await state.begin(ask()) == RUNNING


async def test_everything_has_a_time_to_live(redis_pool, state):
    mine = ask()
    await state.remember_nonce(SCOPE, KEY, 60)
    assert 0 < await redis_pool.ask("PTTL", NONCE + KEY.hex()) <= 60_000
    await state.begin(mine)
    assert 0 < await redis_pool.ask("PTTL", CALL + KEY.hex()) <= 60_000
    await state.renew(KEY, mine.token, 120)
    assert 60_000 < await redis_pool.ask("PTTL", CALL + KEY.hex()) <= 120_000
    await state.finish(KEY, mine.token, b"a", 3600)
    assert 120_000 < await redis_pool.ask("PTTL", CALL + KEY.hex()) <= 3_600_000


async def test_a_redis_that_is_full_lets_nothing_through_and_changes_nothing(redis_pool, state):
    mine = ask()
    await state.begin(mine)
    await redis_pool.ask("CONFIG", "SET", "maxmemory", "1")
    other = digest("call", "s", "other")
    for refused in (
        state.remember_nonce(SCOPE, KEY, 60),
        state.begin(Ask(key=other, fingerprint=b"f" * 32, token=mine.token, claim_ttl=60)),
        state.finish(KEY, mine.token, b"a", 60),
    ):
        with pytest.raises(RunestoneError) as caught:
            await refused
        assert caught.value.reason is Reason.UNAVAILABLE
    await state.renew(KEY, mine.token, 60)
    assert await state.begin(ask()) == RUNNING


@pytest.mark.parametrize(
    ("policy", "maxmemory", "is_said"),
    [("noeviction", "100mb", False), ("allkeys-lru", "0", False), ("allkeys-lru", "100mb", True)],
)
async def test_a_redis_that_may_forget_early_is_named_in_the_log(redis_pool, policy, maxmemory, is_said):
    await redis_pool.ask("CONFIG", "SET", "maxmemory-policy", policy)
    await redis_pool.ask("CONFIG", "SET", "maxmemory", maxmemory)
    with structlog.testing.capture_logs() as lines:
        await warn_of_eviction(redis_pool, get_logger("cache"))
    assert [line["maxmemory_policy"] for line in lines] == ([policy] if is_said else [])
