"""Who shares a log in Redis reads each other's changes, and drops everything where he cannot."""

import asyncio
import secrets
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from cache_svc.encryption.master_seal import MasterSeal
from cache_svc.redis_log import ANYTHING, RedisLog
from cache_svc.seals import UNSEALED
from cache_svc.store import Selection

PATIENT = 20.0
CHANGE = Selection(key_prefix=b"f" * 32, tenant="canary-tenant", model="canary-model", tag="canary-tag")


def seal_with(*masters):
    return MasterSeal(b"log", [master * 32 for master in masters], secrets.token_bytes)


@asynccontextmanager
async def reading(log):
    task = asyncio.create_task(log.read())
    try:
        yield log
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def hear(redis_pool, reader_seal):
    """What is heard of a change that replica with the seal of key 1 logs."""
    async with asyncio.timeout(PATIENT), reading(RedisLog(redis_pool, redis_pool, reader_seal)) as log:
        async with aclosing(log.follow(None)) as letters:
            await anext(letters)
            yield
            async for changes in letters:
                if changes.dropped:
                    yield changes.dropped
                    return


@pytest.mark.parametrize(
    ("writer", "reader", "heard"),
    [
        (seal_with(b"1"), seal_with(b"1"), CHANGE),
        (seal_with(b"1"), seal_with(b"2", b"1"), CHANGE),
        (seal_with(b"1"), seal_with(b"2"), ANYTHING),
        (seal_with(b"1"), UNSEALED, ANYTHING),
        (UNSEALED, seal_with(b"1"), ANYTHING),
    ],
    ids=["same key", "newer key", "other key", "none reads", "none writes"],
)
async def test_a_change_is_read_or_means_everything(redis_pool, writer, reader, heard):
    async with aclosing(hear(redis_pool, reader)) as hearing:
        await anext(hearing)
        await RedisLog(redis_pool, redis_pool, writer).add(CHANGE)
        assert await anext(hearing) == (heard,)


async def test_nothing_readable_of_a_change_stands_in_redis(redis_pool):
    await RedisLog(redis_pool, redis_pool, seal_with(b"1")).add(CHANGE)
    (key,) = await redis_pool.ask("KEYS", "*")
    written = repr(await redis_pool.ask("XRANGE", key, "-", "+")).encode() + await redis_pool.ask("DUMP", key)
    assert b"change" in written
    for canary in (b"canary", CHANGE.key_prefix, CHANGE.key_prefix.hex().encode()):
        assert canary not in written
