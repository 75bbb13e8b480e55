"""A PostgreSQL store that opens, also while its database is not there yet."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from audit_svc.postgres_pool import PostgresPool
from audit_svc.postgres_store import PostgresStore, make_stage
from audit_svc.store import AuditStore, Conditions, Entry, Position
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.health import Facts
from chassis.logs import Logger
from chassis.runtime import Runtime

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds
FACT = "store"


class GatedStore:
    """An AuditStore around another that answers UNAVAILABLE until `open` was called: tables that are not there yet, or of a later version,
    are not touched."""

    def __init__(self, inner: AuditStore) -> None:
        self._inner = inner
        self._refusal = "the audit database has not answered yet"
        self._is_open = False

    def open(self) -> None:
        """From now on the inner store answers."""
        self._is_open = True

    def refuse(self, reason: str) -> None:
        """Why it cannot answer yet."""
        self._refusal = reason

    async def append(self, entries: Sequence[Entry]) -> int:
        """Passes the batch on."""
        self._check()
        return await self._inner.append(entries)

    async def search(self, conditions: Conditions, *, before: Position | None, limit: int) -> list[Entry]:
        """Passes the search on."""
        self._check()
        return await self._inner.search(conditions, before=before, limit=limit)

    def _check(self) -> None:
        if not self._is_open:
            raise RunestoneError(Reason.UNAVAILABLE, self._refusal, retry_after=1.0, may_have_begun=False)

    def __repr__(self) -> str:
        return f"GatedStore({self._inner!r}, {'open' if self._is_open else self._refusal})"


async def open_postgres(runtime: Runtime, url: str) -> GatedStore:
    """A store that lives as long as the service, which is ready when the database was found and brought up to date once.

    As with Redis, a later outage leaves the service ready: it then answers UNAVAILABLE, and the edges keep their records. Raises ConfigError
    for an address that is none.
    """
    store = await runtime.open(connected(url, runtime.clock))
    gate = GatedStore(store)
    runtime.facts.declare(FACT, detail="PostgreSQL has not answered yet")
    runtime.metrics.gauge("store_up", "Whether the shared store answers (1) or is left alone (0)").set_function(
        lambda: store.is_up
    )
    runtime.spawn(open_when_prepared(store, gate, runtime.facts, runtime.log), FACT)
    return gate


@asynccontextmanager
async def connected(url: str, clock: Clock) -> AsyncIterator[PostgresStore]:
    """The store of the database at `url`, not asked yet. Raises ConfigError for an address that is none."""
    async with PostgresPool(url, clock, prepare=make_stage) as writing, PostgresPool(url, clock) as reading:
        yield PostgresStore(writing, reading)


async def open_when_prepared(
    store: PostgresStore,
    gate: GatedStore,
    facts: Facts,
    log: Logger,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Tries for as long as it takes, ever more seldom; says why it takes so long."""
    pause = FIRST_PAUSE
    while True:
        try:
            await store.prepare()
        except RunestoneError as error:
            if pause == FIRST_PAUSE:
                log.warning("the audit database cannot be used yet", reason=error.message)
            facts.say(FACT, holds=False, detail=error.message)
            gate.refuse(error.message)
        else:
            gate.open()
            facts.say(FACT, holds=True)
            return
        await sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy
        pause = min(pause * 2, LONGEST_PAUSE)
