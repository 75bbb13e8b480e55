"""Copies in a Redis that hangs, dies, or loses things: rows 3 and 14 of the fault table."""

import asyncio

import pytest

from cache_svc.streams.redis_streams import STREAM, RedisStreams
from cache_svc.streams.store import Piece, stream_key
from chassis.breaker import Breaker
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisPool
from chassis.testing import FakeClock, redis_process

PATIENT = 20.0
KEY = stream_key("tests", "one")


@pytest.fixture
def streams(redis_pool):
    return RedisStreams(redis_pool)


def piece(first_seq, **members):
    return Piece(first_seq=first_seq, last_seq=first_seq, events=b"event", **members)


async def reason_of(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return caught.value.reason


async def test_flushed_scripts_cost_nothing(redis_pool, streams):
    for number in range(1, 4):
        await redis_pool.ask("SCRIPT", "FLUSH")
        await streams.append(KEY, piece(number), 60)
        await redis_pool.ask("SCRIPT", "FLUSH")
        assert (await streams.read(KEY, 0)).chunks[-1].last_seq == number


async def test_a_stream_that_was_lost_is_not_gone_on_with_as_if_it_were_whole(redis_pool, streams):
    await streams.append(KEY, piece(1), 60)
    await redis_pool.ask("FLUSHALL")
    assert await streams.read(KEY, 0) is None
    assert await reason_of(streams.append(KEY, piece(2), 60)) is Reason.EVENTS_LOST
    assert await streams.read(KEY, 0) is None


async def test_a_stream_has_a_time_to_live(redis_pool, streams):
    await streams.append(KEY, piece(1), 60)
    assert 50_000 < await redis_pool.ask("PTTL", STREAM + KEY.hex()) <= 60_000
    await streams.append(KEY, piece(1), 600)
    assert 500_000 < await redis_pool.ask("PTTL", STREAM + KEY.hex()) <= 600_000


async def test_a_redis_that_is_full_changes_nothing(redis_pool, streams):
    await streams.append(KEY, piece(1), 60)
    await redis_pool.ask("CONFIG", "SET", "maxmemory", "1")
    assert await reason_of(streams.append(KEY, piece(2, end=b"over"), 60)) is Reason.UNAVAILABLE
    page = await streams.read(KEY, 0)
    assert ([chunk.last_seq for chunk in page.chunks], page.end) == ([1], b"")


async def test_a_redis_that_hangs_costs_its_deadline_and_then_nothing(redis_is_there):
    """An append that was given up and done nevertheless is harmless when it is sent again."""
    clock = FakeClock()
    async with redis_process() as server, RedisPool(server.url, breaker=Breaker(clock=clock)) as pool:
        streams = RedisStreams(pool)
        async with asyncio.timeout(PATIENT):
            await pool.wait(0.01)
            with server.held():
                for _ in range(5):
                    assert await reason_of(streams.append(KEY, piece(1), 60)) is Reason.UNAVAILABLE
                assert not pool.is_up
                assert await reason_of(streams.read(KEY, 0)) is Reason.UNAVAILABLE
            while not await _appended(streams, clock):
                await asyncio.sleep(0.01)
            assert [chunk.last_seq for chunk in (await streams.read(KEY, 0)).chunks] == [1]


async def _appended(streams, clock):
    clock.advance(1)
    try:
        await streams.append(KEY, piece(1), 60)
    except RunestoneError:
        return False
    return True
