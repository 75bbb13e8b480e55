"""A purge in Redis reaches every answer and nothing else, in steps, whatever moves or fails meanwhile."""

import asyncio
from fnmatch import fnmatchcase

import pytest

from cache_svc.redis_log import RedisLog
from cache_svc.redis_purge import PASSES, STEP, TRIES, key_of, purge
from cache_svc.redis_store import RedisStore
from cache_svc.store import Bounds, Entry, Labels, Selection
from chassis.errors import Reason, RunestoneError
from chassis.redis import ClusterPool
from chassis.redis_layout import Layout, Survey, slot_of
from chassis.testing import cluster_url

BOUNDS = Bounds(max_entries=100, max_bytes=1 << 20)
ACME = Labels("acme", "fast", ("red",))
EVERYTHING = Selection(everything=True)


class Watched:
    """A client whose questions are counted, and fail where `fails` says so of their number."""

    def __init__(self, client, fails=lambda _: False):
        self._client = client
        self._fails = fails
        self.sizes = []

    async def ask(self, *command):
        return await self._count(1, self._client.ask, *command)

    async def pipeline(self, commands):
        return await self._count(len(commands), self._client.pipeline, commands)

    async def survey(self):
        return await self._client.survey()

    async def _count(self, size, question, *arguments):
        self.sizes.append(size)
        if self._fails(len(self.sizes)):
            raise RunestoneError(Reason.UNAVAILABLE, "not now")
        return await question(*arguments)


async def fill(client, count, labels=ACME):
    store = RedisStore(client, BOUNDS)
    for number in range(count):
        assert await store.keep(Entry(number.to_bytes(2) * 16, b"body", 60, labels))
    return store


async def keys_in(client):
    return [key for master in (await client.survey()).masters for key in await master.ask("KEYS", "*")]


async def test_everything_that_is_written_ends_by_itself(client):
    await fill(client, 20)
    await RedisLog(client, client).add(EVERYTHING)
    keys = await keys_in(client)
    assert len(keys) == 21
    assert all(left > 0 for left in await client.pipeline([("PTTL", key) for key in keys]))


async def test_a_store_and_a_look_up_are_one_question_each(client):
    watched = Watched(client)
    store = RedisStore(watched, BOUNDS)
    await store.keep(Entry(b"1" * 32, b"body", 60, ACME))
    assert await store.look_up(b"1" * 32) == b"body"
    assert watched.sizes == [1, 1]


async def test_what_others_keep_stays(client):
    await client.pipeline([("SET", "rs:ca2", 1), ("SET", "rs:st:call:1", 1), ("SET", "xrs:ca2:1", 1)])
    store = await fill(client, 5)
    assert await store.purge(EVERYTHING) == 5
    assert sorted(await keys_in(client)) == [b"rs:ca2", b"rs:st:call:1", b"xrs:ca2:1"]


async def test_many_answers_are_purged_in_steps(client):
    count = 4 * STEP
    await fill(client, count)
    await fill(client, count // 4, Labels("other"))
    watched = Watched(client)
    assert await purge(watched, Selection(tenant="acme", tag="red")) == count * 3 // 4
    assert max(watched.sizes) < 2 * STEP
    assert await purge(watched, EVERYTHING) == count // 4


async def test_one_answer_is_found_without_a_search(client):
    await fill(client, 3)
    watched = Watched(client)
    assert await purge(watched, Selection(key_prefix=(1).to_bytes(2) * 16)) == 1
    assert await purge(watched, Selection(key_prefix=(2).to_bytes(2) * 16, tenant="other")) == 0
    assert await purge(watched, Selection(key_prefix=(2).to_bytes(2) * 16, tenant="acme")) == 1
    assert watched.sizes == [1, 1, 1, 1]


async def test_a_step_that_is_not_answered_is_asked_for_again(client):
    store = await fill(client, 50)
    assert await purge(Watched(client, lambda number: number % TRIES), Selection(tenant="acme")) == 50
    await fill(client, 50)
    with pytest.raises(RunestoneError) as caught:
        await purge(Watched(client, lambda _: True), Selection(tenant="acme"))
    assert caught.value.reason is Reason.UNAVAILABLE
    assert await store.purge(Selection(tenant="acme")) == 50


async def test_a_server_that_hangs_is_a_purge_that_has_to_be_repeated(masters, cluster):
    await fill(cluster, 50)
    async with ClusterPool(cluster_url(masters), deadline=0.3) as hasty:
        with masters[1].held():
            with pytest.raises(RunestoneError) as caught:
                await RedisStore(hasty, BOUNDS).purge(EVERYTHING)
    assert caught.value.reason is Reason.UNAVAILABLE
    await RedisStore(cluster, BOUNDS).purge(EVERYTHING)
    assert await keys_in(cluster) == []


async def test_a_store_that_is_flushed_meanwhile_is_purged(client):
    await fill(client, 2 * STEP)

    async def flush():
        for master in (await client.survey()).masters:
            await master.ask("FLUSHALL")
            await master.ask("SCRIPT", "FLUSH")

    purged, _ = await asyncio.gather(purge(client, Selection(tenant="acme")), flush())
    assert 0 <= purged <= 2 * STEP
    assert await keys_in(client) == []


class MovingMaster:
    """A server out of which a key goes to another as soon as somebody looks for it, as often as there are `moves`."""

    def __init__(self, keys, moves):
        self.keys, self._moves, self.other = set(keys), moves, None

    async def ask(self, _scan, _cursor, _match, pattern, *_count):
        if self._moves:
            self._moves -= 1
            self.other.keys |= self.keys
            self.keys.clear()
        return [b"0", [key for key in self.keys if fnmatchcase(key, pattern)]]


class MovingClient:
    """Two servers. A layout is another one after each survey, or the same where the moves are not finished."""

    def __init__(self, moves, *, is_finished):
        one, other = MovingMaster([], 0), MovingMaster([key_of(b"1" * 32)], moves)
        other.other, self._masters = one, (one, other)
        self._is_finished = is_finished
        self.surveys = 0

    async def survey(self):
        self.surveys += 1
        layout = Layout((self.surveys if self._is_finished else 0,), (16_383,), ())
        return Survey(self._masters, layout, is_moving=not self._is_finished)

    async def pipeline(self, commands):
        return [self._unlink(key) for _, key in commands]

    def _unlink(self, key):
        found = [master for master in self._masters if key in master.keys]
        for master in found:
            master.keys.discard(key)
        return len(found)


@pytest.mark.parametrize("is_finished", [True, False])
async def test_an_answer_that_moves_past_the_purge_is_met_in_the_next_pass(is_finished):
    client = MovingClient(1, is_finished=is_finished)
    assert await purge(client, EVERYTHING) == 1
    assert client.surveys == PASSES + 1


async def test_a_purge_goes_once_over_a_cluster_that_stays_as_it_is(cluster):
    await fill(cluster, 3)
    surveys = []
    survey = cluster.survey

    async def count():
        surveys.append(1)
        return await survey()

    cluster.survey = count
    assert await purge(cluster, EVERYTHING) == 3
    assert len(surveys) == 2


async def test_answers_of_every_server_are_purged(cluster):
    store = await fill(cluster, 60)
    held = {slot_of(key) * 3 // 16_384 for key in await keys_in(cluster)}
    assert held == {0, 1, 2}
    assert await store.purge(Selection(model="fast")) == 60
