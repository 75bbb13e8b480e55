"""Connections ahead of need: opened, kept, replaced, and never anybody's trouble."""

import asyncio

import pytest
from http1.test_http1_pool import LONG, Peers, in_a_while, pool_of, use

from provider_svc.http1.counts import Counts
from provider_svc.http1.faults import NotConnected
from provider_svc.http1.warming import Warming


@pytest.fixture
async def peers():
    peers = Peers()
    yield peers
    peers.close()


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_warm_connections_are_there_before_the_first_call(peers):
    pool = pool_of(peers, warm=3)
    pool.warm_up()
    await until(lambda: pool.count_now()["idle"] == 3)
    assert pool.take_idle() is not None
    assert pool.statistics()["reused"] == 0
    pool.close()


async def test_no_more_are_opened_ahead_than_there_are_places(peers):
    pool = pool_of(peers, warm=3, connections=2)
    pool.warm_up()
    await until(lambda: pool.count_now()["idle"] == 2)
    assert len(peers.sockets) == 2
    pool.close()


async def test_a_warm_connection_that_breaks_is_replaced_and_one_in_use_is_let_be(peers):
    pool = pool_of(peers, warm=2)
    pool._warming._pause = 0.001
    pool.warm_up()
    await until(lambda: pool.count_now()["idle"] == 2)
    taken = pool.take_idle()
    peers.sockets[0].close()
    await until(lambda: len(peers.sockets) == 3 and pool.count_now()["idle"] == 1)
    assert taken.is_open
    assert pool.count_now()["open"] == 2
    pool.close()


async def test_a_warm_connection_outlives_its_idleness_but_not_its_age(peers, monkeypatch):
    monkeypatch.setattr("provider_svc.http1.pool.SHORTEST_WARM", 0.01)
    pool = pool_of(peers, warm=1, idle=0.01, age=0.1)
    pool._warming._pause = 0.001
    pool.warm_up()
    await until(lambda: pool.statistics()["aged_out"] == 1 and pool.count_now()["idle"] == 1)
    assert pool.statistics()["idled_out"] == 0
    assert len(peers.sockets) == 2
    pool.close()


async def test_beyond_the_warm_ones_idle_connections_are_closed(peers):
    pool = pool_of(peers, warm=1, idle=0.02, age=LONG)
    connections = []
    for _ in range(3):
        connections.append(await pool.acquire(in_a_while()))
        await use(peers, connections[-1])
    for connection in connections:
        pool.release(connection)
    await until(lambda: pool.statistics()["idled_out"] == 2)
    assert pool.count_now()["idle"] == 1
    pool.close()


async def test_a_failure_to_warm_is_counted_and_tried_again_but_told_to_nobody(peers):
    peers.refuses = True
    pool = pool_of(peers, warm=1)
    pool._warming._pause = 0.001
    pool.warm_up()
    await until(lambda: pool.statistics()["warm_failures"] >= 2)
    peers.refuses = False
    await until(lambda: pool.count_now()["idle"] == 1)
    pool.close()


async def test_the_pause_between_failures_grows(monkeypatch):
    """So that a provider which is down is not asked a thousand times."""
    pauses, sleep = [], asyncio.sleep

    async def pass_time(seconds):
        pauses.append(seconds)
        await sleep(0)

    async def refuse():
        raise NotConnected("refused")

    monkeypatch.setattr("provider_svc.http1.warming.asyncio.sleep", pass_time)
    warming = Warming(lambda: 1 if len(pauses) < 8 else 0, refuse, Counts())
    warming.wake()
    async with asyncio.timeout(5):
        while len(pauses) < 8:
            await sleep(0)
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


async def test_closing_ends_a_dial_that_is_under_way():
    peers = Peers(is_held=True)
    before = asyncio.all_tasks()
    pool = pool_of(peers, warm=2)
    pool.warm_up()
    await until(lambda: pool.count_now()["dialing"] == 2)
    pool.close()
    await until(lambda: asyncio.all_tasks() == before)
    assert pool.count_now() == {"open": 0, "idle": 0, "dialing": 0, "waiting": 0}


async def test_a_call_that_waits_is_served_by_what_was_opened_ahead():
    peers = Peers(is_held=True)
    pool = pool_of(peers, warm=1, connections=1)
    pool.warm_up()
    await until(lambda: pool.count_now()["dialing"] == 1)
    waiting = asyncio.create_task(pool.acquire(in_a_while()))
    await until(lambda: pool.count_now()["waiting"] == 1)
    peers.go_on.set()
    pool.release(await waiting)
    pool.close()
    peers.close()
