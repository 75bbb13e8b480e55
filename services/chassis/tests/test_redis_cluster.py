"""A cluster is one store: each question goes to who keeps its key, and one server that hangs harms only its own. Over a real one."""

import asyncio
import hashlib
import random
import signal

import pytest
import pytest_asyncio

from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.redis import ClusterPool, RedisPool, Script, open_client
from chassis.redis_layout import slot_of
from chassis.runtime import Service
from chassis.testing import FakeClock, cluster_url, find_redis, free_port, redis_cluster, redis_server, running

PATIENT = 10.0  # seconds; more than any answer takes on a busy machine
HASTY = 0.5
KEYS = [f"key-{number}" for number in range(30)]
ECHO = "return {KEYS[1], ARGV[1]}"
ECHO_SCRIPT = Script(ECHO, hashlib.sha1(ECHO.encode()).hexdigest())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers():
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    async with redis_cluster() as servers:
        yield servers


@pytest.fixture
async def pool(servers):
    async with ClusterPool(cluster_url(servers), deadline=PATIENT) as pool:
        await pool.wait()
        yield pool


def keys_of(number, servers):
    """Keys that one of the servers keeps."""
    share = -(-16_384 // len(servers))
    return [key for key in KEYS if slot_of(key) // share == number]


async def reason_of(question):
    with pytest.raises(RunestoneError) as caught:
        await question
    assert caught.value.reason is Reason.UNAVAILABLE
    return caught.value.message


async def test_each_key_is_kept_by_its_server_and_found_there(pool, servers):
    for key in KEYS:
        await pool.ask("SET", key, key, "PX", 60_000)
    assert [await pool.ask("GET", key) for key in KEYS] == [key.encode() for key in KEYS]
    for number, server in enumerate(servers):
        kept = keys_of(number, servers)
        assert kept
        async with RedisPool(server.url, deadline=PATIENT) as alone:
            assert await alone.pipeline([("EXISTS", key) for key in kept]) == [1] * len(kept)


async def test_a_pipeline_is_answered_in_its_order(pool):
    await pool.pipeline([("SET", key, key, "PX", 60_000) for key in KEYS])
    shuffled = random.Random(7).sample(KEYS, len(KEYS))
    assert await pool.pipeline([("GET", key) for key in shuffled]) == [key.encode() for key in shuffled]
    assert await pool.pipeline([]) == []


async def test_a_pipeline_with_a_refusal_is_unavailable(pool):
    await pool.ask("SET", KEYS[0], "text", "PX", 60_000)
    assert "not an integer" in await reason_of(pool.pipeline([("GET", KEYS[1]), ("INCR", KEYS[0])]))


async def test_scripts_that_a_server_has_forgotten_are_sent_again(pool, servers):
    for _ in range(2):
        for key in KEYS:
            assert await pool.run(ECHO_SCRIPT, [key], [7]) == [key.encode(), b"7"]
        for server in servers:
            await server.tell("SCRIPT FLUSH")


async def test_what_no_one_server_could_answer_is_a_mistake_of_the_caller(pool):
    with pytest.raises(ValueError, match="names no key"):
        await pool.ask("DBSIZE")
    with pytest.raises(ValueError, match="one slot, not of 2"):
        await pool.run(ECHO_SCRIPT, ["a", "b"], [])


async def test_keys_are_found_while_their_slot_moves_and_after(pool, servers):
    """The steps of `redis-cli --cluster reshard`."""
    kept = keys_of(0, servers)[0]
    moved = next(key for number in range(99) if slot_of(key := f"moving-{number}") < slot_of(kept))
    slot, (source, target) = slot_of(moved), servers[:2]
    await pool.pipeline([("SET", kept, "kept", "PX", 60_000), ("SET", moved, "moved", "PX", 60_000)])
    source_id, target_id = await source.tell("CLUSTER MYID"), await target.tell("CLUSTER MYID")
    assert not (await pool.survey()).is_moving
    await target.tell(f"CLUSTER SETSLOT {slot} IMPORTING {source_id}")
    await source.tell(f"CLUSTER SETSLOT {slot} MIGRATING {target_id}")
    before = await pool.survey()
    assert before.is_moving
    await source.tell(f"MIGRATE 127.0.0.1 {target.port} {moved} 0 5000")
    assert await pool.ask("GET", moved) == b"moved"
    assert await pool.pipeline([("GET", moved), ("GET", kept)]) == [b"moved", b"kept"]
    assert await pool.run(ECHO_SCRIPT, [moved], [7]) == [moved.encode(), b"7"]
    for server in (target, source):
        await server.tell(f"CLUSTER SETSLOT {slot} NODE {target_id}")
    assert await pool.ask("GET", moved) == b"moved"
    assert await pool.pipeline([("GET", moved), ("GET", kept)]) == [b"moved", b"kept"]
    after = await pool.survey()
    assert not after.is_moving
    assert after != before


async def test_a_server_that_hangs_costs_five_questions_at_most_and_the_others_nothing(servers):
    """Its breaker is its own: that others answer does not close it. Questions about the layout count, too."""
    async with ClusterPool(cluster_url(servers), deadline=HASTY, clock=FakeClock()) as pool:
        await pool.wait()
        theirs, others = keys_of(2, servers)[0], keys_of(1, servers)[0]
        with servers[2].held():
            reasons = []
            for _ in range(50):
                reasons.append(await reason_of(pool.ask("GET", theirs)))
                await pool.ask("GET", others)
            slow = sum("500 ms" in reason for reason in reasons)
            assert 1 <= slow <= 5
            assert all("left alone" in reason for reason in reasons[slow:])
            assert not pool.is_up


async def test_a_server_that_serves_again_is_asked_again(servers):
    clock = FakeClock()
    async with ClusterPool(cluster_url(servers), deadline=HASTY, clock=clock) as pool:
        await pool.wait()
        theirs = keys_of(2, servers)[0]
        with servers[2].held():
            await asyncio.gather(*(reason_of(pool.ask("GET", theirs)) for _ in range(5)))
        assert not pool.is_up
        clock.advance(1)
        await pool.ask("GET", theirs)
        assert pool.is_up


async def test_no_more_connections_than_may_be_and_who_finds_none_waits(servers):
    async with ClusterPool(cluster_url(servers), deadline=PATIENT, max_connections=2) as pool:
        await asyncio.gather(*(pool.ask("GET", key) for key in KEYS * 5))
        for master in (await pool.survey()).masters:
            clients = (await master.ask("CLIENT", "LIST")).decode().splitlines()
            assert sum(" cmd=get " in client or " cmd=client" in client for client in clients) <= 2


async def test_cancelled_questions_never_leave_their_answer_to_the_next(servers):
    chance = random.Random(7)
    async with ClusterPool(cluster_url(servers), deadline=PATIENT, max_connections=2) as pool:
        await pool.pipeline([("SET", key, key, "PX", 60_000) for key in KEYS])

        async def ask(key, other):
            assert await pool.ask("GET", key) == key.encode()
            assert await pool.pipeline([("GET", key), ("GET", other)]) == [key.encode(), other.encode()]

        for _ in range(30):
            tasks = [asyncio.create_task(ask(*chance.sample(KEYS, 2))) for _ in range(12)]
            for task in chance.sample(tasks, 6):
                await asyncio.sleep(chance.choice([0, 0, 0, 0.0005]))
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert not [error for error in results if isinstance(error, Exception)]
        assert pool.is_up


async def test_a_cluster_that_nobody_answers_for_is_unavailable_and_asked_once_a_second():
    clock = FakeClock()
    async with ClusterPool(f"redis+cluster://127.0.0.1:{free_port()}", deadline=PATIENT, clock=clock) as pool:
        assert "ConnectionError" in await reason_of(pool.ask("GET", "key"))
        reading = pool._servers._read_again_at
        for _ in range(20):
            await reason_of(pool.ask("GET", "key"))
        assert pool._servers._read_again_at == reading
        assert not pool.is_up


async def test_one_server_is_not_a_cluster_and_a_clusters_server_not_the_store(servers):
    async with redis_server() as url:
        async with ClusterPool(url.replace("redis://", "redis+cluster://"), deadline=PATIENT) as pool:
            assert "cluster support disabled" in await reason_of(pool.ask("GET", "key"))
    async with RedisPool(servers[0].url, deadline=PATIENT) as pool:
        assert "redis+cluster://" in await reason_of(pool.ask("GET", keys_of(1, servers)[0]))


async def test_a_service_is_ready_when_every_server_has_answered(servers, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", HASTY)

    async def build(runtime):
        await open_client(runtime, cluster_url(servers))

    with servers[1].held():
        async with running(Service("cache", build), Settings()) as (runtime, _):
            await asyncio.sleep(HASTY)
            assert not runtime.facts.is_ready
            servers[1].process.send_signal(signal.SIGCONT)
            while not runtime.facts.is_ready:
                await asyncio.sleep(0.01)
            assert b"runestone_store_up 1.0" in runtime.metrics.exposition()
