"""The PostgreSQL database's shape, and how an older one is brought up to it."""

import asyncpg

from chassis.errors import Reason, RunestoneError

SCHEMA = "runestone_audit"
# What replicas that start together take turns by; any number will do that nobody else takes in this database.
_TURN = 0x72756E65_61756474

# As in SQLite: one tuple of statements a version; a version that was released is never edited; `record` is the serialized AuditRecord, the
# other columns are copies to search by, and each index ends in the order of a search. `COLLATE "C"` compares bytes, as SQLite and Python do,
# whatever the database's own language. An index takes at most 2,704 bytes a row, and a caller may ask for a model by any name: the beginnings of
# names are indexed. There is no order of arrival: replicas commit side by side.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        f"""CREATE TABLE {SCHEMA}.records (
            request_id text   COLLATE "C" NOT NULL PRIMARY KEY,
            started_at bigint             NOT NULL,
            tenant     text   COLLATE "C" NOT NULL,
            model      text   COLLATE "C" NOT NULL,
            status     bigint             NOT NULL,
            record     bytea              NOT NULL
        )""",
        f"CREATE INDEX records_by_time   ON {SCHEMA}.records (started_at, request_id)",
        f"CREATE INDEX records_by_tenant ON {SCHEMA}.records (left(tenant, 128), started_at, request_id)",
        f"CREATE INDEX records_by_model  ON {SCHEMA}.records (left(model, 128), started_at, request_id)",
        f"CREATE INDEX records_by_status ON {SCHEMA}.records (status, started_at, request_id)",
    ),
)

_FOUNDATION = (
    f"CREATE SCHEMA {SCHEMA}",
    f"CREATE TABLE {SCHEMA}.schema_version (version bigint NOT NULL)",
)


async def bring_up_to_date(connection: asyncpg.Connection) -> None:
    """Applies what is missing, in one transaction, one replica at a time. A database that is up to date is only read, so that a role without
    the right to change it will do.

    Raises UNAVAILABLE, which says what to do, for a database of a later version, which this one could not keep intact, and for one that
    is not in UTF-8; asyncpg's errors for everything else.
    """
    if await connection.fetchval("SHOW server_encoding") != "UTF8":
        raise RunestoneError(Reason.UNAVAILABLE, "the audit database is not in UTF8; make one with ENCODING 'UTF8'")
    async with connection.transaction(isolation="read_committed"):
        if await _read_version(connection) < len(MIGRATIONS):
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _TURN)
            await _apply(connection, await _read_version(connection))


async def _apply(connection: asyncpg.Connection, version: int) -> None:
    statements = [] if await _has_foundation(connection) else list(_FOUNDATION)
    for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
        statements += [*migration, f"INSERT INTO {SCHEMA}.schema_version (version) VALUES ({number})"]  # noqa: S608  both are ours
    for statement in statements:
        await connection.execute(statement)


async def _read_version(connection: asyncpg.Connection) -> int:
    if not await _has_foundation(connection):
        return 0
    version = int(await connection.fetchval(f"SELECT coalesce(max(version), 0) FROM {SCHEMA}.schema_version"))  # noqa: S608  it is ours
    if version > len(MIGRATIONS):
        message = f"the audit database has schema {version}, this version knows {len(MIGRATIONS)}; run the version that made it"
        raise RunestoneError(Reason.UNAVAILABLE, message)
    return version


async def _has_foundation(connection: asyncpg.Connection) -> bool:
    """Asked of the catalogue, which every role may read."""
    asked = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'schema_version'"
    return bool(await connection.fetchval(asked, SCHEMA))
