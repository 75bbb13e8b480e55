"""The store for one machine: a SQLite database that needs no other software."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import aiosqlite

from audit_svc.sqlite_schema import bring_up_to_date
from audit_svc.store import Conditions, Entry, Position
from chassis.errors import Reason, RunestoneError

# WAL lets searches read beside the writer. FULL syncs the log at every commit: the edge deletes its own copy of a record
# when we acknowledge it, so an acknowledged record must outlive the machine's power, not only this process. A batch is
# one commit, which shares the cost of the sync among its records.
_WRITER_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
_READER_PRAGMAS = ("PRAGMA query_only = ON",)
_BUSY_SECONDS = 5.0

# ON CONFLICT names the one rule that may drop a record; INSERT OR IGNORE would also hide a broken NOT NULL.
_INSERT = """INSERT INTO records (request_id, started_at, tenant, model, status, record)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (request_id) DO NOTHING"""

_COLUMNS = "request_id, started_at, tenant, model, status, record"
_CLAUSES = {
    "tenant": "tenant = ?",
    "since": "started_at >= ?",
    "until": "started_at < ?",
    "model": "model = ?",
    "status": "status = ?",
    "request_id": "request_id = ?",
}


class SqliteStore:
    """An AuditStore over two connections, one to write and one to read, each with a thread of its own.

    Made by `open_sqlite`. Appends take turns: each batch is one transaction.
    """

    def __init__(self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._writing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._appended = 0

    async def append(self, entries: Sequence[Entry]) -> int:
        """One transaction; returns when it is synced to disk."""
        rows = [(e.request_id, e.started_at, e.tenant, e.model, e.status, e.record) for e in entries]
        async with self._writing:
            with _failures_translated("written"):
                appended = await self._write(rows)
        self._appended += appended
        return appended

    async def _write(self, rows: Sequence[tuple[str, int, str, str, int, bytes]]) -> int:
        try:
            await self._writer.execute("BEGIN IMMEDIATE")
            cursor = await self._writer.executemany(_INSERT, rows)
            await self._writer.execute("COMMIT")
        except BaseException:
            # The connection's thread works off its queue in order: also after a cancel that came in the middle of a
            # statement, this runs behind that statement, and does nothing when the commit was already through.
            with suppress(sqlite3.Error):
                await self._writer.rollback()
            raise
        return cursor.rowcount

    async def search(self, conditions: Conditions, *, before: Position | None, limit: int) -> list[Entry]:
        """Reads one page beside the writer, from the last committed state."""
        sql, parameters = select(conditions, before, limit)
        async with self._reading:
            with _failures_translated("read"):
                rows = await self._fetch(sql, parameters)
        return [
            Entry(request_id=row[0], started_at=row[1], tenant=row[2], model=row[3], status=row[4], record=row[5])
            for row in rows
        ]

    async def _fetch(self, sql: str, parameters: Sequence[str | int]) -> list[sqlite3.Row]:
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except asyncio.CancelledError:
            # A search that nobody waits for any more would hold up the next one. Interrupting cannot hit another:
            # the lock lets one in at a time.
            await self._reader.interrupt()
            raise

    def __repr__(self) -> str:
        return f"SqliteStore({self._path}, {self._appended} appended since start)"


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[SqliteStore]:
    """The store in the file `path`, made with its folder when missing and readable by its owner only.

    Raises OSError when it cannot be opened, ConfigError when a later version made it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    async with _connected(path, _WRITER_PRAGMAS) as writer:
        try:
            await bring_up_to_date(writer)
        except sqlite3.Error as error:
            raise _unopened(path, error) from error
        async with _connected(path, _READER_PRAGMAS) as reader:
            yield SqliteStore(path, writer, reader)


@asynccontextmanager
async def _connected(path: Path, pragmas: Sequence[str]) -> AsyncIterator[aiosqlite.Connection]:
    """A connection that commits only where it is told to (`isolation_level=None`)."""
    async with aiosqlite.connect(path, isolation_level=None, timeout=_BUSY_SECONDS) as connection:
        try:
            for pragma in pragmas:
                await connection.execute(pragma)
        except sqlite3.Error as error:
            raise _unopened(path, error) from error
        yield connection


def _unopened(path: Path, error: sqlite3.Error) -> OSError:
    return OSError(f"cannot open the audit database {path}: {error}")


def select(conditions: Conditions, before: Position | None, limit: int) -> tuple[str, list[str | int]]:
    """The statement of a search, and its parameters."""
    held = {name: value for name in _CLAUSES if (value := getattr(conditions, name)) is not None}
    clauses, parameters = [_CLAUSES[name] for name in held], list(held.values())
    if before is not None:
        clauses.append("(started_at, request_id) < (?, ?)")
        parameters += before
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    sql = f"SELECT {_COLUMNS} FROM records {where} ORDER BY started_at DESC, request_id DESC LIMIT ?"  # noqa: S608  all text is from the tables above
    return sql, [*parameters, limit]


@contextmanager
def _failures_translated(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        message = f"the audit database cannot be {what}: {error}"
        raise RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0) from error
