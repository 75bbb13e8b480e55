"""What every AuditStore promises; runs over memory, SQLite and PostgreSQL."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_svc.memory import MemoryStore
from audit_svc.postgres_opening import connected
from audit_svc.postgres_schema import SCHEMA
from audit_svc.sqlite_store import open_sqlite
from audit_svc.store import Conditions, Entry, Position
from chassis.clock import SystemClock

ALL = Conditions()


def ids(entries):
    return [entry.request_id for entry in entries]


async def test_entries_come_back_as_they_were_kept(store, make_entry):
    """Every field survives, whatever bytes and characters it holds."""
    entry = make_entry(1, tenant="a'; --", model="m\0\u00e9\U0001f600", status=499, record=bytes(range(256)))
    assert await store.append([entry]) == 1
    assert [entry] == await store.search(ALL, before=None, limit=10)


async def test_a_kept_request_id_is_dropped_and_the_first_record_stays(store, make_entry):
    """A batch that is sent again adds nothing and changes nothing."""
    await store.append([make_entry(1), make_entry(2)])
    assert await store.append([make_entry(2, record=b"other"), make_entry(3)]) == 1
    found = await store.search(ALL, before=None, limit=10)
    assert [(entry.request_id, entry.record) for entry in found] == [
        ("req_0003", b"3"),
        ("req_0002", b"2"),
        ("req_0001", b"1"),
    ]


async def test_a_request_id_twice_in_one_batch_is_kept_once(store, make_entry):
    """Duplicates inside a batch are duplicates."""
    assert await store.append([make_entry(1), make_entry(1)]) == 1


async def test_an_empty_batch_keeps_nothing(store):
    """No records are no work."""
    assert await store.append([]) == 0
    assert await store.search(ALL, before=None, limit=10) == []


async def test_search_is_newest_first_whatever_the_order_of_arrival(store, make_entry):
    """Records of several edges arrive interleaved."""
    await store.append([make_entry(2), make_entry(3)])
    await store.append([make_entry(1), make_entry(4)])
    assert ids(await store.search(ALL, before=None, limit=3)) == ["req_0004", "req_0003", "req_0002"]


@pytest.mark.parametrize(
    ("conditions", "numbers"),
    [
        (Conditions(tenant="globex"), [2]),
        (Conditions(model="smart"), [3]),
        (Conditions(status=503), [4]),
        (Conditions(request_id="req_0001"), [1]),
        (Conditions(since=3), [4, 3]),
        (Conditions(until=3), [2, 1]),
        (Conditions(since=2, until=4), [3, 2]),
        (Conditions(since=4, until=2), []),
        (Conditions(tenant="acme", model="fast", status=200, since=0, until=9), [1]),
        (Conditions(tenant="acme", request_id="req_0002"), []),
        (Conditions(tenant="ac"), []),
        (Conditions(tenant="ACME"), []),
    ],
)
async def test_every_given_condition_must_hold(store, make_entry, conditions, numbers):
    """Since is inclusive, until is not; names match whole and in their case."""
    entries = [make_entry(1), make_entry(2, tenant="globex"), make_entry(3, model="smart"), make_entry(4, status=503)]
    await store.append(entries)
    found = await store.search(conditions, before=None, limit=10)
    assert ids(found) == [f"req_{number:04}" for number in numbers]


async def test_pages_cover_everything_once_also_among_equal_starts(store, make_entry):
    """Records that started in the same nanosecond are told apart by their ids."""
    await store.append([make_entry(number, started_at=number // 4) for number in range(23)])
    found, before = [], None
    while page := await store.search(ALL, before=before, limit=5):
        found += ids(page)
        before = page[-1].position
    assert found == sorted((f"req_{number:04}" for number in range(23)), reverse=True)


async def test_what_arrives_between_two_pages_does_not_shift_them(store, make_entry):
    """The second page goes on where the first one ended."""
    await store.append([make_entry(number) for number in range(4)])
    page = await store.search(ALL, before=None, limit=2)
    await store.append([make_entry(9)])
    rest = await store.search(ALL, before=page[-1].position, limit=10)
    assert ids(rest) == ["req_0001", "req_0000"]


async def test_concurrent_appends_keep_each_record_once(store, make_entry):
    """Many edges send overlapping batches at the same time: the sum of what was new is what is there."""
    batches = [[make_entry(number) for number in range(start, start + 20)] for start in range(0, 100, 10)]
    appended = await asyncio.gather(*(store.append(batch) for batch in batches))
    found = await store.search(ALL, before=None, limit=1_000)
    assert sum(appended) == len(found) == 110
    assert len(set(ids(found))) == 110


starts = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 3)
names = st.sampled_from(["", "a", "b", "\u00e9", "z\0", "z\x01", "long" * 1_000, "long" * 1_001])
entries = st.builds(
    Entry,
    request_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=3),
    started_at=starts,
    tenant=names,
    model=names,
    status=st.sampled_from([200, 429]),
    record=st.binary(max_size=4),
)
conditions = st.builds(
    Conditions,
    tenant=st.none() | names,
    since=st.none() | starts,
    until=st.none() | starts,
    model=st.none() | names,
    status=st.none() | st.sampled_from([200, 429]),
    request_id=st.none(),
)
positions = st.none() | st.builds(Position, starts, st.text(st.characters(codec="utf-8"), max_size=2))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(entries, max_size=12), searches=st.lists(st.tuples(conditions, positions), max_size=8))
def test_sqlite_answers_as_memory_does(tmp_path_factory, batch, searches):
    """Whatever is kept and asked, both engines order and choose alike."""

    async def compare() -> None:
        async with open_sqlite(tmp_path_factory.mktemp("audit") / "audit.db") as sqlite:
            await assert_like_memory(sqlite, batch, searches)

    asyncio.run(compare())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(entries, max_size=12), searches=st.lists(st.tuples(conditions, positions), max_size=8))
def test_postgres_answers_as_memory_does(database, batch, searches):
    """Also where text has a NUL, which PostgreSQL itself refuses, and whatever its own collation is."""

    async def compare() -> None:
        async with connected(database, SystemClock()) as store:
            await store.prepare()
            async with store._writing.lend("emptied") as connection:
                await connection.execute(f"TRUNCATE {SCHEMA}.records")
            await assert_like_memory(store, batch, searches)

    asyncio.run(compare())


async def assert_like_memory(store, batch, searches):
    memory = MemoryStore()
    assert await memory.append(batch) == await store.append(batch)
    for asked, before in searches:
        expected = await memory.search(asked, before=before, limit=5)
        assert expected == await store.search(asked, before=before, limit=5)
