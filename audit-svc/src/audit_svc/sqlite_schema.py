"""The SQLite database's shape, and how an older one is brought up to it."""

import aiosqlite

from chassis.config import ConfigError
from chassis.config.document import Problem

# One tuple of statements a version; a version that was released is never edited. `seq` is the order of arrival, `record`
# the serialized AuditRecord; the other columns are copies to search by. Each index ends in the order of a search, so that
# a page is read from one index and never sorted.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE records (
            seq        INTEGER PRIMARY KEY,
            request_id TEXT    NOT NULL UNIQUE,
            started_at INTEGER NOT NULL,
            tenant     TEXT    NOT NULL,
            model      TEXT    NOT NULL,
            status     INTEGER NOT NULL,
            record     BLOB    NOT NULL
        )""",
        "CREATE INDEX records_by_time   ON records (started_at, request_id)",
        "CREATE INDEX records_by_tenant ON records (tenant, started_at, request_id)",
        "CREATE INDEX records_by_model  ON records (model, started_at, request_id)",
        "CREATE INDEX records_by_status ON records (status, started_at, request_id)",
    ),
)


async def bring_up_to_date(connection: aiosqlite.Connection) -> None:
    """Applies what is missing, one transaction for all of it.

    Raises ConfigError for a database of a later version, which this one could not keep intact. A failure leaves the
    transaction open: the caller closes the connection, which undoes it.
    """
    await connection.execute("BEGIN IMMEDIATE")
    await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    rows = await connection.execute_fetchall("SELECT coalesce(max(version), 0) FROM schema_version")
    ((version,),) = rows
    if version > len(MIGRATIONS):
        message = (
            f"the database has schema {version}, this version knows {len(MIGRATIONS)}; run the version that made it"
        )
        raise ConfigError([Problem(("audit", "store"), message)])
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
    await connection.execute("COMMIT")
