"""What SQLite adds: durability settings, versions, failures, cancellation."""

import asyncio
import sqlite3
import stat

import pytest

from audit_svc.sqlite_store import open_sqlite, select
from audit_svc.store import Conditions, Position
from chassis.config import ConfigError
from chassis.errors import Reason, RunestoneError

ALL = Conditions()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "data" / "audit.db"


async def test_records_survive_closing_and_opening(database, make_entry):
    """The same database is found again, at the same version."""
    async with open_sqlite(database) as store:
        await store.append([make_entry(1)])
    async with open_sqlite(database) as store:
        assert await store.append([make_entry(1), make_entry(2)]) == 1
        assert len(await store.search(ALL, before=None, limit=10)) == 2


async def test_commits_are_synced(database):
    """WAL with synchronous=FULL (2): an acknowledged batch outlives the machine's power."""
    async with open_sqlite(database) as store:
        assert await store._writer.execute_fetchall("PRAGMA journal_mode") == [("wal",)]
        assert await store._writer.execute_fetchall("PRAGMA synchronous") == [(2,)]


async def test_only_the_owner_can_read_the_files(database, make_entry):
    """Records name tenants and client addresses."""
    async with open_sqlite(database) as store:
        await store.append([make_entry(1)])
        assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in database.parent.iterdir()}
        assert stat.S_IMODE(database.parent.stat().st_mode) == 0o700


async def test_a_database_of_a_later_version_is_refused_untouched(database):
    """An older audit-svc cannot keep promises it does not know."""
    async with open_sqlite(database):
        pass
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (99)")
    connection.close()
    with pytest.raises(ConfigError, match="schema 99"):
        async with open_sqlite(database):
            pass


async def test_a_file_that_is_no_database_is_refused(database):
    """The message names the file."""
    database.parent.mkdir()
    database.write_bytes(b"not a database" * 100)
    with pytest.raises(OSError, match=r"audit\.db"):
        async with open_sqlite(database):
            pass


async def test_a_full_disk_keeps_nothing_of_the_batch_and_passes(database, make_entry):
    """The batch is refused as UNAVAILABLE, whole, and succeeds when there is room again."""
    batch = [make_entry(number, record=bytes(4096)) for number in range(50)]
    async with open_sqlite(database) as store:
        ((pages,),) = await store._writer.execute_fetchall("PRAGMA page_count")
        await store._writer.execute(f"PRAGMA max_page_count = {pages + 10}")
        with pytest.raises(RunestoneError, match="full") as caught:
            await store.append(batch)
        assert caught.value.reason is Reason.UNAVAILABLE
        assert await store.search(ALL, before=None, limit=1_000) == []
        await store._writer.execute("PRAGMA max_page_count = 100000")
        assert await store.append(batch) == 50


async def test_a_search_that_fails_is_unavailable(database):
    """The caller learns that the store is at fault, not its request."""
    async with open_sqlite(database) as store:
        await store._writer.execute("DROP TABLE records")
        with pytest.raises(RunestoneError) as caught:
            await store.search(ALL, before=None, limit=1)
        assert caught.value.reason is Reason.UNAVAILABLE


async def test_a_cancelled_append_leaves_no_transaction_behind(database, make_entry):
    """Cancelled at any of its steps: the batch is there whole or not at all, and the next append works."""
    async with open_sqlite(database) as store:
        for turns in range(8):
            first = 1000 * (turns + 1)
            batch = [make_entry(number) for number in range(first, first + 200)]
            task = asyncio.create_task(store.append(batch))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            found = await store.search(Conditions(since=first, until=first + 200), before=None, limit=1_000)
            assert len(found) in (0, 200)
            assert await store.append(batch) == 200 - len(found)


async def test_a_cancelled_search_is_stopped_in_the_engine(database):
    """Nobody waits for an endless statement any more: the next search gets its turn."""
    endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    async with open_sqlite(database) as store:
        begun = await beginning_of_a_read(store)
        task = asyncio.create_task(store._fetch(endless, []))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await store.search(ALL, before=None, limit=1) == []


async def beginning_of_a_read(store) -> asyncio.Event:
    """Set when the reader's engine is in the middle of a statement."""
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def report() -> int:
        loop.call_soon_threadsafe(begun.set)
        return 0  # anything else would interrupt

    await store._reader.set_progress_handler(report, 100_000)
    return begun


@pytest.mark.parametrize(
    "conditions",
    [
        ALL,
        Conditions(since=1, until=5),
        Conditions(tenant="acme"),
        Conditions(tenant="acme", status=200, since=1),
        Conditions(model="fast", until=9),
        Conditions(status=503),
        Conditions(request_id="req_1"),
    ],
)
async def test_a_page_is_read_from_an_index_and_never_sorted(database, conditions):
    """A search costs what its page holds, not what the database holds."""
    sql, parameters = select(conditions, Position(7, "req_7"), 100)
    async with open_sqlite(database) as store:
        plan = await store._reader.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}", parameters)
    steps = [step for *_, step in plan]
    assert all("USING INDEX" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps
