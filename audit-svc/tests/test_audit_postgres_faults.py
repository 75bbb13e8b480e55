"""A PostgreSQL that is killed, hangs, is cut off, is not there yet; several replicas on one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import pytest

from audit_svc.postgres_opening import connected
from audit_svc.postgres_pool import PostgresPool
from audit_svc.postgres_schema import SCHEMA
from audit_svc.postgres_store import PostgresStore, make_stage
from audit_svc.service import SERVICE
from audit_svc.store import Conditions
from chassis.clock import SystemClock
from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.testing import find_postgres, postgres_server, running
from runestone.audit.v1.audit_pb2 import AppendRequest, SearchRequest
from runestone.audit.v1.audit_pb2_grpc import AuditServiceStub
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

ALL = Conditions()
CLOCK = SystemClock()
PATIENCE = 30.0


@pytest.fixture
def victim():
    """A PostgreSQL of one test's own, to do harm to."""
    try:
        find_postgres()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with postgres_server() as server:
        yield server


async def append_until_kept(store, batch) -> int:
    """As the edge's shipper does: again after every failure."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await store.append(batch)
            except RunestoneError as error:
                if error.reason is not Reason.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.05)


async def ids_of(store) -> list[str]:
    found, before = [], None
    while page := await store.search(ALL, before=before, limit=1_000):
        found += [entry.request_id for entry in page]
        before = page[-1].position
    return found


@pytest.mark.parametrize("replicas", [2, 4])
async def test_replicas_that_append_the_same_batches_keep_each_record_once(database, make_entry, replicas, opened):
    """At the same time, overlapping, each in an order of its own: no deadlock, and the sum of what was new is what is there."""
    batches = [[make_entry(number) for number in range(start, start + 60)] for start in range(0, 300, 20)]

    async def ship(store, number: int) -> int:
        turned = batches[number:] + batches[:number]
        return sum([await store.append(batch[:: 1 if number % 2 else -1]) for batch in turned])

    stores = [connected(database, CLOCK) for _ in range(replicas)]
    async with opened(database) as reader:
        opened_stores = [await store.__aenter__() for store in stores]
        appended = await asyncio.gather(*(ship(store, number) for number, store in enumerate(opened_stores)))
        for store in stores:
            await store.__aexit__(None, None, None)
        found = await ids_of(reader)
    assert sum(appended) == len(found) == len(set(found)) == 340


@asynccontextmanager
async def writing(store, entry) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """A replica that has written `entry` and gives up at the end; called, it returns when so many others wait."""

    async def await_waiters(waiters: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < waiters:
                await asyncio.sleep(0.02)

    async with store._writing.lend("written") as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"INSERT INTO {SCHEMA}.records VALUES ($1, 1, '', '', 200, '')", entry.request_id)
        yield await_waiters
        await transaction.rollback()


async def test_replicas_that_append_the_same_records_in_other_orders_never_wait_in_a_circle(
    database, make_entry, opened
):
    """Both are stopped in the middle of their batches: had each gone on from its own end, neither could pass the other."""
    batch = [make_entry(number) for number in range(61)]
    async with opened(database) as third, opened(database) as first, opened(database) as second:
        async with writing(third, batch[30]) as await_waiters:
            appending = [asyncio.create_task(first.append(batch)), asyncio.create_task(second.append(batch[::-1]))]
            await await_waiters(2)
        assert sum(await asyncio.gather(*appending)) == 61
        assert len(await ids_of(third)) == 61


async def test_a_record_that_another_replica_is_writing_is_waited_for(database, make_entry, opened):
    """And counted as its own when the other gives up: an acknowledged record is never one that was rolled back."""
    async with opened(database) as first, opened(database) as second:
        async with writing(first, make_entry(1)) as await_waiters:
            waiting = asyncio.create_task(second.append([make_entry(1)]))
            await await_waiters(1)
        assert await waiting == 1


async def test_no_acknowledged_record_is_lost_or_doubled_when_the_database_is_killed(victim, make_entry, opened):
    """kill -9 of all its processes under appends, twice; what was acknowledged is there, and each batch whole or not at all."""
    acknowledged: list[int] = []
    async with opened(victim.make_database()) as store:
        done = asyncio.Event()

        async def ship(edge: int) -> None:
            for number in count():
                first = edge * 1_000_000 + number * 25
                await append_until_kept(store, [make_entry(one) for one in range(first, first + 25)])
                acknowledged.append(first)
                if done.is_set():
                    return

        edges = [asyncio.create_task(ship(edge)) for edge in range(3)]
        for _ in range(2):
            before = len(acknowledged)
            async with asyncio.timeout(PATIENCE):
                while len(acknowledged) < before + 10:
                    await asyncio.sleep(0.01)
            victim.kill()
            await asyncio.to_thread(victim.start)
        done.set()
        await asyncio.gather(*edges)
        found = await ids_of(store)
    expected = {make_entry(first + one).request_id for first in acknowledged for one in range(25)}
    assert len(found) == len(set(found))
    assert set(found) == expected


async def test_a_database_that_hangs_is_waited_for_no_longer_than_the_deadline(victim, make_entry, opened):
    """Then it is left alone, which costs nothing; it takes records again when it goes on."""
    url = victim.make_database()
    async with opened(url), PostgresPool(url, CLOCK, prepare=make_stage, deadline=0.5) as pool:
        store = PostgresStore(pool, pool)
        assert await store.append([make_entry(0)]) == 1
        with victim.held():
            reasons = []
            async with asyncio.timeout(PATIENCE):
                while store.is_up:
                    with pytest.raises(RunestoneError) as caught:
                        await store.append([make_entry(1)])
                    reasons.append(caught.value.message)
            with pytest.raises(RunestoneError, match="left alone") as caught:
                await store.append([make_entry(1)])
            assert all("no answer within 0.5 s" in reason for reason in reasons)
            assert len(reasons) == 5
        assert await append_until_kept(store, [make_entry(1)]) in (
            0,
            1,
        )  # a commit that was under way may have been done
        assert sorted(await ids_of(store)) == ["req_0000", "req_0001"]


@pytest.mark.parametrize("cut_after", [1, 2_000, 20_000, 60_000])
async def test_a_connection_that_is_cut_in_the_middle_of_a_batch_keeps_all_of_it_or_nothing(
    postgres, database, make_entry, cut_after, opened
):
    """Wherever the cut is, the batch may be sent again, and is there once."""
    batch = [make_entry(number, record=bytes(1_000)) for number in range(100)]

    async def pump(reader, writer, budget: list[int]) -> None:
        while data := await reader.read(1_000):
            budget[0] -= len(data)
            if budget[0] < 0:
                break
            writer.write(data)
            await writer.drain()
        writer.transport.abort()

    async def relay(reader, writer) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", postgres.port)
        budget = [cuts.pop() if cuts else 1 << 40]
        await asyncio.gather(
            pump(reader, up_writer, budget), pump(up_reader, writer, [1 << 40]), return_exceptions=True
        )

    async with opened(database) as direct:
        cuts = [cut_after]
        proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = proxy.sockets[0].getsockname()[1]
        async with proxy, connected(postgres.url(database.rpartition("/")[2], port=port), CLOCK) as store:
            with pytest.raises(RunestoneError) as caught:
                await store.append(batch)
            assert caught.value.reason is Reason.UNAVAILABLE
            assert len(await ids_of(direct)) in (0, 100)
            await append_until_kept(store, batch)
        assert len(await ids_of(direct)) == 100


async def test_a_service_starts_before_its_database_and_says_what_it_waits_for(victim, make_record, tmp_path):
    """Not ready, with the reason and no password; appends are UNAVAILABLE meanwhile, and are kept when it has come."""
    url = victim.make_database()
    victim.kill()
    settings = parse_settings(f"audit: {{store: '{url}'}}")
    async with running(SERVICE, settings, data_dir=tmp_path) as (_, channel):
        audit, about = AuditServiceStub(channel), IntrospectionServiceStub(channel)
        request = AppendRequest(records=[make_record(1)])
        with pytest.raises(RunestoneError) as caught:
            await audit.Append(request)
        assert caught.value.reason is Reason.UNAVAILABLE
        facts = {fact.name: fact for fact in (await about.GetStatus(GetStatusRequest())).facts}
        assert not facts["store"].holds
        assert "canary" not in str(facts)
        await asyncio.to_thread(victim.start)
        async with asyncio.timeout(PATIENCE):
            while not all(fact.holds for fact in (await about.GetStatus(GetStatusRequest())).facts):
                await asyncio.sleep(0.05)
        assert (await audit.Append(request)).appended == 1
        assert list((await audit.Search(SearchRequest())).records) == list(request.records)
        assert not (tmp_path / "audit.db").exists()
