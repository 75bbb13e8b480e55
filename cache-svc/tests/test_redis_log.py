"""The log in Redis: every change is told once and in order by every replica, or all copies are to be dropped. Over real servers."""

import asyncio
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from cache_svc import redis_log
from cache_svc.changes import Changes, Mark
from cache_svc.history import LETTER
from cache_svc.redis_log import KEY, RedisLog
from cache_svc.store import Selection
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisPool
from chassis.testing import RedisProcess, free_port, redis_process

PATIENT = 20.0  # seconds; more than any answer takes on a busy machine


def change(number):
    return Selection(tag=str(number))


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch):
    """Who is not told of a change when it happens is told of nothing."""
    monkeypatch.setattr(redis_log, "HEARTBEAT", 10 * PATIENT)


@asynccontextmanager
async def reading(log):
    """As a replica's background work."""
    task = asyncio.create_task(log.read())
    try:
        yield log
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def replicas(client):
    """Two on one store."""
    async with reading(RedisLog(client, client)) as one, reading(RedisLog(client, client)) as other:
        yield one, other


async def letters_until(log, after, is_enough):
    """What a follower is told until it is enough; like an edge, he asks again where he was when he is told that nobody knows."""
    told = []
    async with asyncio.timeout(PATIENT):
        while True:
            try:
                async with aclosing(log.follow(after)) as letters:
                    async for changes in letters:
                        told.append(changes)
                        after = changes.mark
                        if is_enough(changes):
                            return told
            except RunestoneError:
                await asyncio.sleep(0.01)


async def catch_up(log, after, mark):
    return await letters_until(log, after, lambda changes: changes.mark == mark)


def dropped(letters):
    return [selection for letter in letters for selection in letter.dropped]


async def is_unavailable(log, after):
    with pytest.raises(RunestoneError) as caught:
        async with asyncio.timeout(PATIENT), aclosing(log.follow(after)) as letters:
            async for _ in letters:
                pass
    return caught.value.reason is Reason.UNAVAILABLE


async def test_every_replica_tells_every_change_in_order(replicas):
    one, other = replicas
    (start,) = await letters_until(other, None, lambda _: True)
    marks = [await (one, other)[number % 2].add(change(number)) for number in range(50)]
    assert marks == [Mark(start.mark.epoch, number) for number in range(1, 51)]
    for log in replicas:
        letters = await catch_up(log, start.mark, marks[-1])
        assert dropped(letters) == [change(number) for number in range(50)]
        assert not any(letter.is_reset for letter in letters)
        assert log.mark == marks[-1]


async def test_a_change_is_read_as_it_was_written(replicas):
    (start,) = await letters_until(replicas[0], None, lambda _: True)
    selection = Selection(b"\x00\xff\r\n", "tenant", "modèle", "tag", everything=True)
    mark = await replicas[1].add(selection)
    assert dropped(await catch_up(replicas[0], start.mark, mark)) == [selection]


async def test_a_replica_that_starts_later_knows_what_was_before(client, replicas):
    """More than one page of it, and more than one letter."""
    count = redis_log.PAGE + LETTER // 2
    first = await replicas[0].add(change(0))
    for number in range(1, count):
        last = await replicas[0].add(change(number))
    async with reading(RedisLog(client, client)) as late:
        letters = await catch_up(late, first, last)
    assert dropped(letters) == [change(number) for number in range(1, count)]
    assert not any(letter.is_reset for letter in letters)


async def test_a_lost_log_is_another_epoch_and_a_reset_at_every_replica(client, replicas):
    before = await replicas[0].add(change(1))
    for log in replicas:
        await catch_up(log, None, before)
    for master in (await client.survey()).masters:
        await master.ask("FLUSHALL")
    for log in replicas:
        letters = await letters_until(log, before, lambda changes: changes.mark.epoch != before.epoch)
        assert letters[-1].is_reset
        assert int(letters[-1].mark.epoch) > int(before.epoch)
    assert replicas[0].mark.epoch == replicas[1].mark.epoch


async def test_a_log_that_began_earlier_by_a_clock_that_jumped_is_noticed_too(client, replicas):
    before = await replicas[0].add(change(1))
    await catch_up(replicas[0], None, before)
    await client.pipeline([("DEL", KEY), ("XADD", KEY, "1-0", "change", "")])
    letters = await letters_until(replicas[0], before, lambda changes: changes.mark.epoch == "1")
    assert letters[-1] == Changes(Mark("1", 0), is_reset=True)


async def test_no_change_is_missed_while_the_store_is_flushed_again_and_again(client, replicas):
    """An acknowledged change is told, or a reset comes that stands behind it."""
    (start,) = await letters_until(replicas[1], None, lambda _: True)
    acknowledged = []

    async def add():
        for number in range(200):
            acknowledged.append(await replicas[0].add(change(number)))
            if number % 40 == 39:
                for master in (await client.survey()).masters:
                    await master.ask("FLUSHALL")
        acknowledged.append(await replicas[0].add(change("last")))

    adding = asyncio.create_task(add())
    letters = await letters_until(replicas[1], start.mark, lambda now: adding.done() and now.mark == acknowledged[-1])
    await adding
    place = start.mark
    for letter in letters:
        begins = Mark(letter.mark.epoch, letter.mark.version - len(letter.dropped))
        assert letter.is_reset or begins == place
        place = letter.mark
    assert place.epoch != start.mark.epoch


async def test_a_log_that_lost_its_last_changes_begins_anew(client, replicas):
    """A failover to a server that lagged behind: the numbers of what it lost must not be given to other changes."""
    first, second = await replicas[0].add(change(1)), await replicas[0].add(change(2))
    for log in replicas:
        await catch_up(log, first, second)
    await client.ask("XDEL", KEY, f"{second.epoch}-{second.version}")
    for log in replicas:
        letters = await letters_until(log, second, lambda changes: changes.mark.epoch != second.epoch)
        assert letters[-1].is_reset


async def test_a_replica_that_was_away_for_longer_than_the_log_holds_resets_its_followers(client, replicas):
    async with reading(RedisLog(client, client)) as away:
        before = await replicas[0].add(change(0))
        await catch_up(away, None, before)
    for number in range(5):
        last = await replicas[0].add(change(number))
    await client.ask("XTRIM", KEY, "MAXLEN", 2)
    async with reading(away):
        letters = await letters_until(away, before, lambda changes: changes.mark == last)
    assert any(letter.is_reset for letter in letters)


async def test_the_log_is_bounded_and_ends_by_itself(client, replicas, monkeypatch):
    monkeypatch.setattr(redis_log, "KEPT", 100)
    for number in range(500):
        await replicas[0].add(change(number))
    assert 100 <= await client.ask("XLEN", KEY) < 300
    assert 0 < await client.ask("PTTL", KEY) <= redis_log.KEPT_FOR


async def test_scripts_that_are_forgotten_cost_nothing(client, replicas):
    (start,) = await letters_until(replicas[1], None, lambda _: True)
    for number in range(5):
        for master in (await client.survey()).masters:
            await master.ask("SCRIPT", "FLUSH")
        last = await replicas[0].add(change(number))
    letters = await catch_up(replicas[1], start.mark, last)
    assert dropped(letters) == [change(number) for number in range(5)]


async def test_a_silent_log_says_that_it_is_there(replicas, monkeypatch):
    await letters_until(replicas[0], None, lambda _: True)
    monkeypatch.setattr(redis_log, "HEARTBEAT", 0.01)
    async with asyncio.timeout(PATIENT), aclosing(replicas[0].follow(None)) as letters:
        told = [await anext(letters) for _ in range(5)]
    assert told == [Changes(told[0].mark)] * 5


async def test_however_many_follow_one_connection_reads(redis_url):
    async with RedisPool(redis_url, deadline=PATIENT) as client, RedisPool(redis_url, max_connections=1) as reader:
        async with reading(RedisLog(client, reader)) as log:
            followers = [asyncio.create_task(letters_until(log, None, lambda now: now.dropped)) for _ in range(50)]
            await letters_until(log, None, lambda _: True)
            await log.add(change(1))
            for letters in await asyncio.gather(*followers):
                assert letters[-1].dropped == (change(1),)
            connections = (await client.ask("CLIENT", "LIST")).decode().splitlines()
            assert len(connections) == 2


async def test_a_redis_that_is_full_logs_nothing_and_goes_on_telling(redis_pool):
    async with reading(RedisLog(redis_pool, redis_pool)) as log:
        mark = await log.add(change(1))
        await catch_up(log, None, mark)
        await redis_pool.ask("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(RunestoneError) as caught:
            await log.add(change(2))
        assert caught.value.reason is Reason.UNAVAILABLE
        assert (await letters_until(log, mark, lambda _: True)) == [Changes(mark)]


@asynccontextmanager
async def on(server: RedisProcess):
    """A replica with a reader of its own, as the service has it."""
    async with (
        RedisPool(server.url, deadline=PATIENT) as client,
        RedisPool(server.url, deadline=1.0, max_connections=1) as reader,
    ):
        async with reading(RedisLog(client, reader)) as log:
            yield log, client


@pytest.fixture
async def server(redis_is_there):
    async with redis_process() as server:
        yield server


async def test_a_reader_whose_connection_is_killed_resumes(server):
    async with on(server) as (log, client):
        before = await log.add(change(1))
        await catch_up(log, None, before)
        for number in range(2, 10):
            await client.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            last = await log.add(change(number))
        letters = await catch_up(log, before, last)
        assert dropped(letters) == [change(number) for number in range(2, 10)]
        assert not any(letter.is_reset for letter in letters)


async def test_while_the_store_hangs_nobody_is_told_anything_and_then_everything(server):
    async with on(server) as (log, _):
        before = await log.add(change(1))
        await catch_up(log, None, before)
        with server.held():
            assert await is_unavailable(log, before)
            assert await is_unavailable(log, None)
        last = await log.add(change(2))
        letters = await catch_up(log, before, last)
        assert dropped(letters) == [change(2)]
        assert not any(letter.is_reset for letter in letters)


async def test_a_store_that_died_and_came_back_empty_is_another_log(redis_is_there):
    port = free_port()
    async with redis_process(port) as server, on(server) as (log, _):
        before = await log.add(change(1))
        await catch_up(log, None, before)
        server.kill()
        assert await is_unavailable(log, before)
        async with redis_process(port):
            letters = await letters_until(log, before, lambda changes: changes.mark.epoch != before.epoch)
            assert letters[-1].is_reset


async def test_a_store_that_was_never_there_tells_nothing(redis_is_there):
    async with RedisPool(f"redis://127.0.0.1:{free_port()}/0", deadline=PATIENT) as nowhere:
        async with reading(RedisLog(nowhere, nowhere)) as log:
            assert await is_unavailable(log, None)
            assert log.mark == Mark("", 0)
