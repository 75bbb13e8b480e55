"""Hints in a Redis that loses things, holds what is not ours, or goes away."""

import asyncio
from contextlib import aclosing

import pytest

from cache_svc.hints.memory import MemoryHints
from cache_svc.hints.redis_hints import KEY, RedisHints
from cache_svc.hints.store import Hint
from chassis.clock import SystemClock
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisPool
from chassis.testing import FakeClock, free_port, redis_process

PATIENT = 20.0  # seconds
LONG = 60.0
HINT = Hint(b"k", "me", LONG)


@pytest.fixture
def memory():
    return MemoryHints(SystemClock())


@pytest.fixture
async def hints(redis_pool, memory):
    hints = RedisHints(redis_pool, redis_pool, memory)
    task = asyncio.create_task(hints.read())
    yield hints
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def hear(letters):
    async with asyncio.timeout(PATIENT):
        while not (heard := await anext(letters)):
            pass
        return [hint.key for hint in heard]


async def test_the_stream_ends_with_the_longest_hint(redis_pool, hints):
    await hints.tell("t", Hint(b"k", "me", 1.0))
    assert 290_000 < await redis_pool.ask("PTTL", KEY) <= 300_000


async def test_entries_that_are_not_understood_are_passed_over(redis_pool, hints):
    async with aclosing(hints.follow("t", LONG)) as letters:
        await anext(letters)
        await redis_pool.ask("XADD", KEY, "*", "of", "tomorrow")
        await redis_pool.ask("XADD", KEY, "*", "topic", "t", "key", "k", "sender", b"\xff", "ttl", "1000")
        await redis_pool.ask("XADD", KEY, "*", "topic", "t", "key", "k", "sender", "s", "ttl", "soon")
        await hints.tell("t", HINT)
        assert await hear(letters) == [b"k"]


async def test_a_lost_stream_and_lost_scripts_cost_what_was_told_and_no_more(redis_pool, hints):
    async with aclosing(hints.follow("t", LONG)) as letters:
        await anext(letters)
        await hints.tell("t", Hint(b"before", "me", LONG))
        assert await hear(letters) == [b"before"]
        await redis_pool.ask("FLUSHALL")
        await redis_pool.ask("SCRIPT", "FLUSH")
        await hints.tell("t", Hint(b"after", "me", LONG))
        assert await hear(letters) == [b"after"]


async def test_a_late_reader_counts_the_age_of_a_hint_by_redis_clock(redis_pool, hints):
    await hints.tell("t", HINT)
    seconds, _ = await redis_pool.ask("TIME")
    await redis_pool.ask("DEL", KEY)
    old = f"{(int(seconds) - 20) * 1000}-0"
    await redis_pool.ask("XADD", KEY, old, "topic", "t", "key", "old", "sender", "s", "ttl", "60000")
    await redis_pool.ask("XADD", KEY, "*", "topic", "t", "key", "new", "sender", "s", "ttl", "60000")
    memory = MemoryHints(FakeClock())
    late = RedisHints(redis_pool, redis_pool, memory)
    await late._catch_up()
    async with aclosing(late.follow("t", LONG)) as letters:
        left = {hint.key: hint.ttl for hint in await anext(letters)}
    assert 30 < left[b"old"] <= 40
    assert 50 < left[b"new"] <= 60


async def test_what_was_told_while_redis_was_out_of_reach_is_heard_afterwards(redis_is_there, memory):
    """Its follower is not sent away meanwhile."""
    port = free_port()
    async with RedisPool(f"redis://127.0.0.1:{port}/0", deadline=PATIENT) as pool:
        hints = RedisHints(pool, pool, memory)
        task = asyncio.create_task(hints.read())
        async with aclosing(hints.follow("t", LONG)) as letters:
            assert await anext(letters) == ()
            with pytest.raises(RunestoneError) as caught:
                await hints.tell("t", HINT)
            assert caught.value.reason is Reason.UNAVAILABLE
            async with redis_process(port=port):
                await pool.wait()
                await hints.tell("t", HINT)
                assert await hear(letters) == [b"k"]
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
