"""Rooms in a Redis that hangs, dies, loses things or is full, and replicas that die: rows 3 and 14 of the fault table."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from rooms.room_replicas import Replicas
from rooms.room_views import PATIENT, View, presence, ref_of, watching

from cache_svc.rooms.leases import PATIENT_ROUNDS
from cache_svc.rooms.redis_keys import keys_of, leases_of, log_of, name_lease, shard_of
from cache_svc.rooms.store import room_key
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisPool
from chassis.testing import free_port, redis_process

ROOM = room_key("tests", "one")
OTHER = room_key("tests", "other")
SHARD = shard_of(ROOM)


@pytest.fixture(params=["redis_url", "cluster_address"])
def store_url(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def one_redis(redis_url):
    return redis_url


async def reason_of(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return caught.value.reason


async def rounds(replica, count):
    """Returns when the replica has renewed its leases `count` times more."""
    leases = replica._leases[SHARD]
    target = leases._rounds + count
    async with asyncio.timeout(PATIENT):
        while leases._rounds < target:
            await asyncio.sleep(0.01)


class Edge(View):
    """Lets its members in again when they are not in the room that it was told of, as an edge does."""

    def __init__(self, store, name):
        super().__init__(store, ROOM, name, history=200)
        self.own = {}

    async def enter(self, ref):
        self.own[ref] = presence(ref, self._edge)
        await self._store.enter(ROOM, self.own[ref])

    async def run(self, seconds=600):
        while True:
            watch = self._store.watch(ROOM, self._edge, after=self.position, history=0, seconds=seconds)
            try:
                async for letter in watch:
                    self.take(letter)
                    for ref in self.own.keys() - self.members.keys():
                        await self._store.enter(ROOM, self.own[ref])
            except RunestoneError:
                await asyncio.sleep(0.02)
            finally:
                await watch.aclose()


@asynccontextmanager
async def edge_of(store, name):
    edge = Edge(store, name)
    task = asyncio.create_task(edge.run())
    try:
        await edge.until(lambda: edge.watches)
        yield edge
    finally:
        task.cancel()
        await asyncio.wait([task])


def know_the_same(*edges):
    expected = {ref: who.content for edge in edges for ref, who in edge.own.items()}
    return lambda: all(edge.members == expected for edge in edges)


async def test_members_of_edges_whose_replica_died_are_gone_and_those_of_others_stay(medium, monkeypatch):
    for module in ("room_script", "leases"):
        monkeypatch.setattr(f"cache_svc.rooms.{module}.LEASE", 1_000)
    dying, living = await medium.make(interval=0.1)
    async with watching(living, ROOM, "edge-2") as survivor:
        async with watching(dying, ROOM, "edge-1"):
            await dying.enter(ROOM, presence("anna", "edge-1"))
            await living.enter(ROOM, presence("bert", "edge-2"))
            await survivor.until(lambda: len(survivor.members) == 2)
            await rounds(living, 15)  # which is longer than a lease: who is renewed stays
            assert set(survivor.members) == {"anna", "bert"}
            dying.task.cancel()
            await survivor.until(lambda: set(survivor.members) == {"bert"})
        assert survivor.watches == 1


async def test_lost_rooms_are_found_out_and_mended_by_who_watches(medium):
    """Nobody does anything: the leases tell it. Everything before is behind, and is said to be."""
    one, other = await medium.make()
    async with edge_of(one, "edge-1") as first, edge_of(other, "edge-2") as second:
        await first.enter("anna")
        await second.enter("bert")
        await first.until(know_the_same(first, second))
        await second.until(know_the_same(first, second))
        before = first.position
        await rounds(one, 2)
        await rounds(other, 2)
        for master in (await one._script._client.survey()).masters:
            await master.pipeline([("FLUSHALL",), ("SCRIPT", "FLUSH")])
        await first.until(lambda: first.watches > 1 and know_the_same(first, second)())
        await second.until(lambda: second.watches > 1 and know_the_same(first, second)())
        assert any(first.was_behind) and first.position > before
        position = await one.publish(ROOM, b"hello", is_kept=True, request_id="")
        await second.until(lambda: position in second.said)


async def test_lost_rooms_are_found_out_by_the_next_change_too(medium):
    one, other = await medium.make(interval=600)
    async with edge_of(other, "edge-2") as edge:
        await edge.enter("bert")
        await edge.until(know_the_same(edge))
        for master in (await one._script._client.survey()).masters:
            await master.ask("FLUSHALL")
        await one.publish(ROOM, b"hello", is_kept=True, request_id="")
        await edge.until(lambda: edge.watches > 1 and know_the_same(edge)())


async def test_leases_that_were_lost_alone_are_found_out_and_mended(medium):
    """Evicted, say: without its lease an edge's members would stay for ever, or go while it watches."""
    one, other = await medium.make()
    async with edge_of(one, "edge-1") as edge:
        await edge.enter("anna")
        await rounds(one, 2)
        await other._script._client.ask("DEL", leases_of(SHARD))
        await edge.until(lambda: edge.watches > 1 and know_the_same(edge)())
        assert await other._script._client.ask("ZSCORE", leases_of(SHARD), name_lease(ROOM, "edge-1"))


async def test_an_edge_that_renewed_meanwhile_keeps_its_members(medium):
    """Two replicas may find the same lease over, and its edge come back before one of them ends it."""
    (one,) = await medium.make(count=1)
    async with watching(one, ROOM, "edge-1") as view:
        await one.enter(ROOM, presence("anna", "edge-1"))
        await one._script.expel(ROOM, "edge-1")
        position = await one.publish(ROOM, b"end", is_kept=True, request_id="")
        await view.until(lambda: position in view.said)
        assert set(view.members) == {"anna"}


async def test_flushed_scripts_cost_nothing(medium):
    one, other = await medium.make()
    async with watching(other, ROOM) as view:
        for doing in (
            lambda: one.enter(ROOM, presence("anna")),
            lambda: one.publish(ROOM, b"hello", is_kept=True, request_id="r"),
            lambda: one.leave(ROOM, "anna"),
        ):
            for master in (await one._script._client.survey()).masters:
                await master.ask("SCRIPT", "FLUSH")
            await doing()
        await view.until(lambda: len(view.positions) == 3)


async def test_who_hangs_with_redis_loses_nobody_who_still_watches(redis_is_there):
    """For longer than leases hold: when it answers again each replica renews before any takes out."""
    async with redis_process() as server, AsyncExitStack() as stack:
        pool = await stack.enter_async_context(RedisPool(server.url, deadline=PATIENT))
        one, other = await Replicas(stack, server.url, deadline=0.5).make(interval=1.0)
        async with watching(one, ROOM, "edge-1") as first, watching(other, ROOM, "edge-2") as second:
            await one.enter(ROOM, presence("anna", "edge-1"))
            await other.enter(ROOM, presence("bert", "edge-2"))
            await first.until(lambda: len(first.members) == len(second.members) == 2)
            with server.held():
                assert await reason_of(one.enter(ROOM, presence("carl", "edge-1"))) is Reason.UNAVAILABLE
                await first.until(lambda: not one._leases[SHARD]._rounds and not other._leases[SHARD]._rounds)
                leases = [field for edge in ("edge-1", "edge-2") for field in (1, name_lease(ROOM, edge))]
                running_out = asyncio.create_task(pool.ask("ZADD", leases_of(SHARD), *leases))
            await running_out
            await first.until(lambda: min(one._leases[SHARD]._rounds, other._leases[SHARD]._rounds) > PATIENT_ROUNDS)
            position = await said(other)
            for view in (first, second):
                await view.until(lambda view=view: position in view.said)
                assert {"anna", "bert"} <= set(view.members) and view.watches == 1


async def said(replica):
    """The position of a message, as soon as the store takes one."""
    async with asyncio.timeout(PATIENT):
        while True:
            try:
                return await replica.publish(ROOM, b"hello", is_kept=True, request_id="one")
            except RunestoneError:
                await asyncio.sleep(0.05)


async def test_rooms_come_back_after_a_redis_that_died(redis_is_there):
    """Empty: members are let in again by their edges, and nobody is told of anything meanwhile."""
    port = free_port()
    async with AsyncExitStack() as stack:
        async with redis_process(port) as server:
            one, other = await Replicas(stack, server.url).make()
            first = await stack.enter_async_context(edge_of(one, "edge-1"))
            second = await stack.enter_async_context(edge_of(other, "edge-2"))
            await first.enter("anna")
            await second.enter("bert")
            for edge in (first, second):
                await edge.until(know_the_same(first, second))
            server.kill()
            assert await reason_of(one.publish(ROOM, b"lost", is_kept=True, request_id="")) is Reason.UNAVAILABLE
            assert know_the_same(first, second)()
        await stack.enter_async_context(redis_process(port))
        for edge in (first, second):
            await edge.until(lambda edge=edge: edge.watches > 1 and know_the_same(first, second)())
        position = await said(one)
        await second.until(lambda: position in second.said)


async def test_a_lease_from_before_the_clock_stepped_back_holds_no_longer_than_another(medium):
    (one,) = await medium.make(count=1)
    client = one._script._client
    async with watching(one, ROOM, "edge-1"):
        await client.ask("ZADD", leases_of(SHARD), 10**14, name_lease(ROOM, "edge-2"))
        await rounds(one, 2)
        far, near = [
            float(await client.ask("ZSCORE", leases_of(SHARD), name_lease(ROOM, edge))) for edge in ("edge-2", "edge-1")
        ]
    assert abs(far - near) < 60_000


async def test_positions_rise_when_redis_clock_steps_back(medium):
    """An entry of an hour ahead stands for what the clock gave before."""
    (one,) = await medium.make(count=1)
    first = await one.publish(ROOM, b"x", is_kept=True, request_id="")
    async with watching(one, ROOM) as view:
        ahead = first + 3_600_000_000
        fields = ("room", ROOM.hex(), "before", str(first), "kind", "said", "content", b"ahead")
        await one._script._client.ask("XADD", log_of(SHARD), f"{ahead}-0", *fields)
        assert await one.publish(ROOM, b"y", is_kept=True, request_id="") == ahead + 1
        await view.until(lambda: ahead + 1 in view.said)
        assert view.watches == 1


@pytest.mark.parametrize(
    "fields",
    [("of", "tomorrow"), ("room", "00", "before", "LAST", "kind", "moved", "content", "x")],
    ids=["other fields", "another kind"],
)
async def test_a_change_that_is_not_understood_sends_watchers_for_the_true_state(medium, fields):
    (one,) = await medium.make(count=1)
    last = await one.publish(ROOM, b"x", is_kept=True, request_id="")
    async with watching(one, ROOM) as view:
        written = [str(last) if field == "LAST" else field for field in fields]
        await one._script._client.ask("XADD", log_of(SHARD), f"{last + 1}-0", *written)
        await view.until(lambda: view.watches == 2)
        assert not one.task.done()


async def test_a_missing_change_sends_watchers_of_its_shard_for_the_true_state_and_no_others(medium):
    (one,) = await medium.make(count=1)
    last = await one.publish(ROOM, b"x", is_kept=True, request_id="")
    elsewhere = next(key for key in (room_key("t", str(n)) for n in range(99)) if shard_of(key) != SHARD)
    async with watching(one, ROOM) as view, watching(one, elsewhere) as other:
        fields = ("room", ROOM.hex(), "before", str(last + 1), "kind", "left", "content", "nobody")
        await one._script._client.ask("XADD", log_of(SHARD), f"{last + 2}-0", *fields)
        await view.until(lambda: view.watches == 2)
        assert (view.positions, other.watches) == ([], 1)


async def test_everything_has_a_time_to_live(medium):
    (one,) = await medium.make(count=1)
    async with watching(one, ROOM):
        await one.enter(ROOM, presence("anna"))
        for is_kept in (True, False):
            await one.publish(ROOM, b"hello", is_kept=is_kept, request_id="r" if is_kept else "")
        for key in keys_of(ROOM, "r"):
            assert 0 < await one._script._client.ask("PTTL", key) <= 3_600_000, key


async def test_a_redis_that_is_full_changes_nothing(one_redis):
    async with AsyncExitStack() as stack:
        (one,) = await Replicas(stack, one_redis).make(count=1)
        pool = await stack.enter_async_context(RedisPool(one_redis, deadline=PATIENT))
        async with watching(one, ROOM) as view:
            await one.enter(ROOM, presence("anna"))
            await view.until(lambda: view.members)
            await pool.ask("CONFIG", "SET", "maxmemory", "1")
            for refused in (
                one.enter(ROOM, presence("bert")),
                one.publish(ROOM, b"hello", is_kept=True, request_id=""),
            ):
                assert await reason_of(refused) is Reason.UNAVAILABLE
            await pool.ask("CONFIG", "SET", "maxmemory", "0")
            position = await said(one)
            await view.until(lambda: position in view.said)
            assert (set(view.members), len(view.said), view.watches) == ({"anna"}, 1, 1)


async def test_a_room_of_ten_thousand_is_told_of_in_one_step_and_taken_apart(one_redis):
    async with AsyncExitStack() as stack:
        (one,) = await Replicas(stack, one_redis).make(count=1, interval=600)
        for start in range(0, 10_000, 500):
            await asyncio.gather(*(one.enter(ROOM, presence(f"m{number}")) for number in range(start, start + 500)))
        assert await reason_of(one.enter(ROOM, presence("one more"))) is Reason.OVERLOADED
        async with watching(one, ROOM, "observer") as view:
            assert {ref_of(content) for content in view.members.values()} == {f"m{n}" for n in range(10_000)}
            await one._script._client.ask("ZADD", leases_of(SHARD), 1, name_lease(ROOM, "edge-1"))
            await one._script.expel(ROOM, "edge-1")
            await view.until(lambda: not view.members)
