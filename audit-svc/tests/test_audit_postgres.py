"""What PostgreSQL adds: durability settings, versions, roles, TLS, secrets, plans, cancellation."""

import asyncio
import traceback

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit_svc.postgres_opening import connected
from audit_svc.postgres_pool import PostgresPool
from audit_svc.postgres_schema import SCHEMA
from audit_svc.postgres_store import select
from audit_svc.postgres_text import from_database, to_database
from audit_svc.postgres_url import OPTIONS, check_url
from audit_svc.store import Conditions, Position
from chassis.clock import SystemClock
from chassis.config import ConfigError
from chassis.errors import Reason, RunestoneError
from chassis.testing.postgres import PASSWORD

ALL = Conditions()
CLOCK = SystemClock()


@pytest.fixture
async def store(database):
    async with connected(database, CLOCK) as one:
        await one.prepare()
        yield one


def name_of(database: str) -> str:
    return database.rpartition("/")[2]


async def test_records_survive_closing_and_opening(database, make_entry):
    """The same database is found again, at the same version."""
    for expected in (1, 0):
        async with connected(database, CLOCK) as store:
            await store.prepare()
            assert await store.append([make_entry(1)]) == expected


async def test_commits_wait_for_the_disk_whatever_the_database_says(postgres, database):
    """An acknowledged batch outlives the server's power; an operator who told all sessions otherwise did not mean these."""
    postgres.tell(f"ALTER DATABASE {name_of(database)} SET synchronous_commit = off")
    async with connected(database, CLOCK) as store, store._writing.lend("read") as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW statement_timeout") == "7s"
        assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "10s"


async def test_replicas_that_start_together_make_the_database_once(database):
    """One of them does it, the others wait for it and find it done."""

    async def start() -> None:
        async with connected(database, CLOCK) as store:
            await store.prepare()
            assert await store.search(ALL, before=None, limit=1) == []

    await asyncio.gather(*(start() for _ in range(6)))


async def test_a_database_of_a_later_version_is_refused_untouched(postgres, database):
    """An older audit-svc cannot keep promises it does not know."""
    async with connected(database, CLOCK) as store:
        await store.prepare()
        postgres.tell(f"INSERT INTO {SCHEMA}.schema_version VALUES (99)", name_of(database))
        with pytest.raises(RunestoneError, match="schema 99") as caught:
            await store.prepare()
    assert caught.value.reason is Reason.UNAVAILABLE
    assert postgres.tell(f"SELECT count(*) FROM {SCHEMA}.schema_version", name_of(database)) == "2"


async def test_a_database_in_another_encoding_is_refused(postgres):
    """It could not keep every name."""
    postgres.tell("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    async with connected(postgres.url("latin"), CLOCK) as store:
        with pytest.raises(RunestoneError, match="UTF8"):
            await store.prepare()


async def test_a_role_that_may_only_read_and_insert_will_do(postgres, database, make_entry):
    """Once the database is up to date; it can neither change nor delete a record."""
    async with connected(database, CLOCK) as store:
        await store.prepare()
    name = name_of(database)
    for statement in (
        f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
        f"GRANT SELECT ON {SCHEMA}.schema_version TO {name}",
        f"GRANT SELECT, INSERT ON {SCHEMA}.records TO {name}",
    ):
        postgres.tell(statement, name)
    async with connected(database.replace("//runestone:", f"//{name}:"), CLOCK) as store:
        await store.prepare()
        assert await store.append([make_entry(1)]) == 1
        assert len(await store.search(ALL, before=None, limit=2)) == 1
        for sql in ("DELETE FROM {}.records", "UPDATE {}.records SET status = 0", "TRUNCATE {}.records"):
            with pytest.raises(RunestoneError, match="InsufficientPrivilege"):
                async with store._writing.lend("changed") as connection:
                    await connection.execute(sql.format(SCHEMA))


async def test_what_fails_is_unavailable_and_names_no_password(postgres, database, make_entry):
    """A wrong password, a database that is not there, a port where nobody listens, tables that are gone."""
    wrong = [
        database.replace(PASSWORD, "wrong-secret"),
        database + "_not_there",
        database.replace(f":{postgres.port}", ":1"),
        database + "?sslmode=require",
        database + "?sslmode=verify-full&sslrootcert=/not/there",
        database,
    ]
    for url in wrong:
        async with connected(url, CLOCK) as store:
            for attempt in (store.append([make_entry(1)]), store.search(ALL, before=None, limit=1)):
                with pytest.raises(RunestoneError) as caught:
                    await attempt
                assert caught.value.reason is Reason.UNAVAILABLE
                assert PASSWORD not in f"{caught.value!r} {store!r}"
                assert "wrong-secret" not in f"{caught.value!r} {store!r}"


async def test_what_the_server_refuses_is_not_quoted(postgres, database, store, make_entry):
    """Its DETAIL has the row, and a record may hold a question."""
    postgres.tell(f"ALTER TABLE {SCHEMA}.records ADD CHECK (status < 300)", name_of(database))
    entry = make_entry(1, status=500, tenant="canary-tenant", record=b"canary-record")
    with pytest.raises(RunestoneError, match="CheckViolationError") as caught:
        await store.append([entry])
    shown = "".join(traceback.format_exception(caught.value))
    assert "canary" not in shown
    assert b"canary-record".hex() not in shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://host/database",
        "postgresql://:secret@host/database",
        "postgresql://user:secret@host",
        "postgresql://user:secret@host/",
        "postgresql://user:sec/ret@host/database",
        "postgresql://user:sec?ret@host/database",
        "postgresql://user:sec#ret@host/database",
        "postgresql://user:sec@ret@host/database",
        "postgresql://user:sec[ret@host/database",
        "postgresql://user:secret@host:port/database",
        "postgresql://user:secret@host,/database",
        "postgresql://user:secret@host/database?sslmod=verify-full",
        "postgresql://user:secret@host/database?sslmode=verify",
        "postgresql://user@host/database?password=secret",
        "postgresql://user:secret@host/database?secret",
    ],
)
def test_an_address_that_is_not_whole_is_refused_without_quoting_it(url):
    """A slip of the pen must not go without TLS, nor show a password."""
    with pytest.raises(ConfigError) as caught:
        PostgresPool(url, CLOCK)
    text = str(caught.value)
    assert "audit.store" in text
    assert "sec" not in text.replace("postgresql://user:password", "")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user@host/database",
        "postgres://user:a%40b%2Fc@host:5432/database?sslmode=verify-full&sslrootcert=/etc/ca.crt",
        "postgresql://user:p@first:5432,second,[::1]:5433/database?target_session_attrs=read-write",
        "postgresql://user@/database?host=/run/postgresql",
    ],
)
def test_an_address_may_be_as_libpq_has_them(url):
    """Several hosts, an option for each of TLS's files, a unix socket."""
    check_url(url)
    assert "sslrootcert" in OPTIONS


texts = st.text(st.sampled_from("\0\x01\x02\x03a\u00e9\U0001f600"), max_size=6)


@given(texts, texts)
@example("\0\x01", "\x01\0")
def test_text_with_nul_is_kept_whole_and_in_its_order(first, second):
    """No text is refused, none is mistaken for another, and pages keep their order."""
    kept = to_database(first), to_database(second)
    assert "\0" not in "".join(kept)
    assert tuple(map(from_database, kept)) == (first, second)
    assert (kept[0] < kept[1], kept[0] == kept[1]) == (first < second, first == second)


@pytest.mark.parametrize(
    "conditions",
    [
        ALL,
        Conditions(since=1, until=5),
        Conditions(tenant="acme"),
        Conditions(tenant="acme", status=201, since=1),
        Conditions(model="fast", until=6_000),
        Conditions(status=201),
    ],
)
async def test_a_page_is_read_from_an_index_and_never_sorted(store, make_entry, conditions):
    """A search costs what its page holds, not what the database holds."""
    models, tenants = ["fast", "smart", "other"], ["acme", "globex", "initech"]
    for start in range(0, 10_000, 1_000):
        numbers = range(start, start + 1_000)
        names = [{"tenant": tenants[n // 3 % 3], "model": models[n % 3]} for n in numbers]
        await store.append(
            [make_entry(n, **named, status=200 + n % 2) for n, named in zip(numbers, names, strict=True)]
        )
    sql, parameters = select(conditions, Position(7_000, "req_7"), 100)
    async with store._writing.lend("read") as connection:
        await connection.execute(f"ANALYZE {SCHEMA}.records")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *parameters))
    assert "Index Scan Backward" in plan, plan
    assert "Sort" not in plan, plan
    assert "Index Cond" in plan, plan


async def test_a_cancelled_search_is_stopped_in_the_engine(postgres, database, store):
    """Nobody waits for it any more, so the server does not either, and the connection is good for the next."""
    name = name_of(database)
    running = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE '%pg_sleep%' AND state = 'active'"

    async def search() -> None:
        async with store._reading.lend("read") as connection:
            await connection.execute("SELECT pg_sleep(6)")

    def count() -> str:
        return postgres.tell(running)

    task = asyncio.create_task(search())
    async with asyncio.timeout(5):
        while await asyncio.to_thread(count) != "1":
            pass
    task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError)
    assert await asyncio.to_thread(count) == "0"
    assert await store.search(ALL, before=None, limit=1) == []


async def test_a_cancelled_append_leaves_no_transaction_behind(store, make_entry):
    """Cancelled at any of its steps: the batch is there whole or not at all, and the next append works."""
    for turns in range(16):
        first = 1000 * (turns + 1)
        batch = [make_entry(number) for number in range(first, first + 200)]
        task = asyncio.create_task(store.append(batch))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        found = await store.search(Conditions(since=first, until=first + 200), before=None, limit=1_000)
        assert len(found) in (0, 200)
        assert await store.append(batch) == 200 - len(found)
