"""A shared store is there, or UNAVAILABLE in milliseconds; never slow, never confused. Over a real Redis."""

import asyncio
import random

import pytest

from chassis.breaker import Breaker
from chassis.config import ConfigError, Settings
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisPool, Script, open_pool
from chassis.runtime import Service
from chassis.testing import FakeClock, find_redis, free_port, redis_server, running

PATIENT = 10.0  # seconds; more than any answer takes on a busy machine


@pytest.fixture
async def redis_url():
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    async with redis_server() as url:
        yield url


@pytest.fixture
async def pool(redis_url):
    async with RedisPool(redis_url, deadline=PATIENT) as pool:
        yield pool


def script(source):
    import hashlib

    return Script(source, hashlib.sha1(source.encode()).hexdigest())


async def assert_unavailable(question):
    with pytest.raises(RunestoneError) as caught:
        await question
    assert caught.value.reason is Reason.UNAVAILABLE
    return caught.value


async def test_an_answer_comes_back_as_bytes(pool):
    await pool.ask("SET", b"key", b"\x00\xff", "PX", 60_000)
    assert await pool.ask("GET", b"key") == b"\x00\xff"
    assert await pool.ask("GET", b"nothing") is None


async def test_forgotten_scripts_are_sent_again(pool):
    echo = script("return {KEYS[1], ARGV[1]}")
    assert await pool.run(echo, ["k"], [7]) == [b"k", b"7"]
    await pool.ask("SCRIPT", "FLUSH")
    assert await pool.run(echo, ["k"], [8]) == [b"k", b"8"]
    assert await pool.ask("EVALSHA", echo.sha, 1, "k", 9) == [b"k", b"9"]


async def test_a_store_that_hangs_is_unavailable_at_the_deadline_and_serves_again(redis_url):
    async with RedisPool(redis_url, deadline=0.02) as hasty, RedisPool(redis_url, deadline=PATIENT) as patient:
        await patient.ask("SET", "key", "value")
        await patient.ask("CLIENT", "PAUSE", 300, "ALL")
        error = await assert_unavailable(hasty.ask("GET", "key"))
        assert "20 ms" in error.message
        assert await patient.ask("GET", "key") == b"value"
        await hasty.wait(pause=0.01)


async def test_the_breaker_turns_a_dead_store_into_an_answer_at_once():
    clock = FakeClock()
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with RedisPool(url, deadline=PATIENT, breaker=Breaker(threshold=3, pause=1, clock=clock)) as pool:
        for _ in range(3):
            error = await assert_unavailable(pool.ask("PING"))
            assert "ConnectionError" in error.message
        assert not pool.is_up
        assert "left alone" in (await assert_unavailable(pool.ask("PING"))).message
        clock.advance(1)
        assert "ConnectionError" in (await assert_unavailable(pool.ask("PING"))).message


async def test_a_refusal_of_redis_itself_is_unavailable_too(pool):
    await pool.ask("SET", "text", "value")
    error = await assert_unavailable(pool.ask("INCR", "text"))
    assert "not an integer" in error.message


async def test_a_server_that_was_restarted_is_found_again():
    port = free_port()
    async with redis_server(port) as url, RedisPool(url, deadline=PATIENT) as pool:
        await pool.ask("PING")
        await asyncio.gather(*(pool.ask("PING") for _ in range(8)))
        await assert_unavailable(pool.ask("SHUTDOWN", "NOSAVE"))
        async with redis_server(port):
            assert await pool.ask("SET", "key", "value")


async def test_more_questions_than_connections_wait_for_one(redis_url):
    async with RedisPool(redis_url, deadline=PATIENT, max_connections=2) as pool:
        answers = await asyncio.gather(*(pool.ask("ECHO", number) for number in range(200)))
        assert answers == [str(number).encode() for number in range(200)]
        connections = (await pool.ask("CLIENT", "LIST")).decode().splitlines()
        assert len(connections) == 2


async def test_a_pipeline_is_answered_in_its_order_in_one_round_trip(pool):
    assert await pool.pipeline([("SET", "a", 1), ("INCR", "a"), ("GET", "a"), ("GET", "b")]) == [True, 2, b"2", None]
    before = await pool.ask("INFO", "stats")
    await pool.pipeline([("GET", "a")] * 100)
    after = await pool.ask("INFO", "stats")
    assert after["total_reads_processed"] - before["total_reads_processed"] < 10


async def test_a_pipeline_with_a_refusal_is_unavailable_and_the_rest_is_done(pool):
    error = await assert_unavailable(pool.pipeline([("SET", "text", "value"), ("INCR", "text"), ("SET", "b", "2")]))
    assert "not an integer" in error.message
    assert await pool.ask("GET", "b") == b"2"


async def test_cancelled_questions_never_leave_their_answer_to_the_next(redis_url):
    """Callers hang up at every possible moment: no connection is lost, and nobody reads another's answer."""
    chance = random.Random(7)
    async with RedisPool(redis_url, deadline=PATIENT, max_connections=4) as pool:

        async def ask(number):
            assert await pool.ask("ECHO", number) == str(number).encode()
            assert await pool.pipeline([("ECHO", number), ("ECHO", -number)]) == [b"%d" % number, b"%d" % -number]

        for round_number in range(40):
            tasks = [asyncio.create_task(ask(round_number * 100 + n)) for n in range(12)]
            for task in chance.sample(tasks, 6):
                await asyncio.sleep(chance.choice([0, 0, 0, 0.0005]))
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert not [error for error in results if isinstance(error, Exception)]
        assert pool._pool._in_use_connections == set()
        assert repr(pool) == "RedisPool(0 asking, 4 connections at most, Breaker(closed, 0 failures in a row))"


def test_an_address_that_is_none_is_a_configuration_error_without_its_password():
    with pytest.raises(ConfigError) as caught:
        RedisPool("redis://user:s3cret@host:port/0")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_service_is_ready_when_its_store_has_answered():
    port = free_port()

    async def build(runtime):
        await open_pool(runtime, f"redis://127.0.0.1:{port}/0")

    async with running(Service("cache", build), Settings()) as (runtime, _):
        assert not runtime.facts.is_ready
        async with redis_server(port):
            while not runtime.facts.is_ready:
                await asyncio.sleep(0.01)
        assert b"runestone_store_up 1.0" in runtime.metrics.exposition()
