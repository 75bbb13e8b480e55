"""The store for several replicas: a PostgreSQL that they share."""

from collections.abc import Iterable, Sequence

from audit_svc.postgres_pool import Connection, PostgresPool
from audit_svc.postgres_schema import SCHEMA, bring_up_to_date
from audit_svc.postgres_text import from_database, to_database
from audit_svc.store import Conditions, Entry, Position

Row = tuple[str, int, str, str, int, bytes]

_COLUMNS = ("request_id", "started_at", "tenant", "model", "status", "record")
_NAMES = ", ".join(_COLUMNS)

# COPY cannot pass over what is already there, so a batch comes by way of a table that only its connection sees, and that is not logged.
_STAGE = """CREATE TEMPORARY TABLE IF NOT EXISTS audit_stage (
    request_id text COLLATE "C", started_at bigint, tenant text, model text, status bigint, record bytea
) ON COMMIT DELETE ROWS"""
# Two replicas that append the same records meet at the first of them and one waits: in order, they cannot wait for each other.
_INSERT = f"""INSERT INTO {SCHEMA}.records ({_NAMES})
    SELECT {_NAMES} FROM audit_stage ORDER BY request_id ON CONFLICT (request_id) DO NOTHING"""  # noqa: S608  all text is ours

# The index has the beginning of a name. That all of it is the same says little more, which the planner would not know of two equalities: it
# would expect too few records, and read and sort all of a tenant's for one page. Of a CASE it expects half.
_WHOLE_NAME = "left({name}, 128) = left({{0}}, 128) AND CASE WHEN {name} = {{0}} THEN true ELSE false END"
_CLAUSES = {
    "tenant": _WHOLE_NAME.format(name="tenant"),
    "since": "started_at >= {0}",
    "until": "started_at < {0}",
    "model": _WHOLE_NAME.format(name="model"),
    "status": "status = {0}",
    "request_id": "request_id = {0}",
}


async def make_stage(connection: Connection) -> None:
    """Prepares a connection of the writing pool."""
    await connection.execute(_STAGE)


class PostgresStore:
    """An AuditStore over two pools, so that searches never take the connections that appends need. Whoever made the pools closes them."""

    def __init__(self, writing: PostgresPool, reading: PostgresPool) -> None:
        self._writing = writing
        self._reading = reading
        self._appended = 0

    @property
    def is_up(self) -> bool:
        """Whether appends are let through to the database."""
        return self._writing.is_up

    async def prepare(self) -> None:
        """Brings the database up to date. Raises UNAVAILABLE with the reason why it cannot be used yet."""
        async with self._writing.lend("prepared") as connection:
            await bring_up_to_date(connection)

    async def append(self, entries: Sequence[Entry]) -> int:
        """One transaction; returns when its commit is on the server's disk, and on those of its synchronous standbys."""
        rows = _to_rows(entries)
        if not rows:
            return 0
        async with self._writing.lend("written") as connection, connection.transaction(isolation="read_committed"):
            await connection.copy_records_to_table("audit_stage", records=rows, columns=_COLUMNS)
            told: str = await connection.execute(_INSERT)
        appended = int(told.rpartition(" ")[2])  # "INSERT 0 <count>"
        self._appended += appended
        return appended

    async def search(self, conditions: Conditions, *, before: Position | None, limit: int) -> list[Entry]:
        """Reads one page of what is committed."""
        sql, parameters = select(conditions, before, limit)
        async with self._reading.lend("read") as connection:
            rows = await connection.fetch(sql, *parameters)
        return [_to_entry(tuple(row)) for row in rows]

    def __repr__(self) -> str:
        return f"PostgresStore({self._writing!r}, {self._appended} appended since start)"


def select(conditions: Conditions, before: Position | None, limit: int) -> tuple[str, list[str | int]]:
    """The statement of a search, and its parameters."""
    held = {name: value for name in _CLAUSES if (value := getattr(conditions, name)) is not None}
    clauses = [_CLAUSES[name].format(f"${number}") for number, name in enumerate(held, start=1)]
    parameters = [*held.values()]
    if before is not None:
        clauses.append(f"(started_at, request_id) < (${len(parameters) + 1}, ${len(parameters) + 2})")
        parameters += before
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    order = f"ORDER BY started_at DESC, request_id DESC LIMIT ${len(parameters) + 1}"
    sql = f"SELECT {_NAMES} FROM {SCHEMA}.records {where} {order}"  # noqa: S608  all text is from the tables above
    return sql, _without_nul([*parameters, limit])


def _without_nul(parameters: Iterable[str | int]) -> list[str | int]:
    return [to_database(value) if isinstance(value, str) else value for value in parameters]


def _to_rows(entries: Sequence[Entry]) -> list[Row]:
    """In the order of their ids, the first of each: what INSERT then finds in the way is another batch's."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.request_id, entry)
    return [
        (to_database(e.request_id), e.started_at, to_database(e.tenant), to_database(e.model), e.status, e.record)
        for e in sorted(first.values(), key=lambda entry: entry.request_id)
    ]


def _to_entry(row: Row) -> Entry:
    request_id, started_at, tenant, model, status, record = row
    return Entry(
        request_id=from_database(request_id),
        started_at=started_at,
        tenant=from_database(tenant),
        model=from_database(model),
        status=status,
        record=record,
    )
