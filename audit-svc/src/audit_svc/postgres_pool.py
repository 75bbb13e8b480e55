"""Connections to one PostgreSQL: few, with a bound on every wait, and a breaker.

The only place that knows the client library's pool. Whatever goes wrong is UNAVAILABLE within the deadline, and at once while the breaker is
open.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self, TypeAlias

import asyncpg

from audit_svc.postgres_url import check_url
from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError

# Seconds, so chosen that an append has failed before the edge gives it up (10 s).
DEADLINE = 8.0  # for all that one question needs
CONNECT = 3.0
GIVING_BACK = 1.0  # for the engine to stop what was given up; then the connection is closed
MAX_CONNECTIONS = 4

# What the server bounds for itself, should this process hang or be cut off: milliseconds. A replica that hangs inside of a transaction would
# hold up the others at a record that both append.
_BOUNDS = {"statement_timeout": "7000", "lock_timeout": "5000", "idle_in_transaction_session_timeout": "10000"}
_SESSION = {
    "application_name": "runestone audit-svc",
    "synchronous_commit": "on",  # a server may be told otherwise for everybody; what we acknowledge is on its disk
    "plan_cache_mode": "force_custom_plan",  # how rare a tenant is decides on the index
    "jit": "off",
    **_BOUNDS,
}
# The last is what the library says of a connection that breaks between two statements.
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncpg.InternalClientError)

Connection: TypeAlias = asyncpg.Connection
Prepare = Callable[[Connection], Awaitable[None]]


class PostgresPool:
    """At most `MAX_CONNECTIONS`, opened when needed, and closed when they failed. Use as a context, which closes all.

    `prepare` is given each new connection once. Raises ConfigError for an address that is none.
    """

    def __init__(self, url: str, clock: Clock, *, prepare: Prepare | None = None, deadline: float = DEADLINE) -> None:
        check_url(url)
        self._url = url
        self._prepare = prepare
        self._deadline = deadline
        self._breaker = Breaker(clock=clock)

    @property
    def is_up(self) -> bool:
        """Whether questions are let through: False while the breaker is open."""
        return not self._breaker.is_open

    @asynccontextmanager
    async def lend(self, purpose: str) -> AsyncIterator[Connection]:
        """A connection for one transaction; what it does is `purpose`: "written", "read".

        Raises UNAVAILABLE within the deadline, also for what fails inside of the block. A cancel inside of it is sent on to the engine, and
        is raised when the engine has stopped, or a second later.
        """
        if not self._breaker.admits():
            message = "the audit database did not answer lately and is left alone for a moment"
            raise RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0, may_have_begun=False)
        try:
            async with asyncio.timeout(self._deadline):
                async with self._lent() as connection:
                    yield connection
        except TimeoutError as error:
            raise self._note_failure(purpose, f"no answer within {self._deadline:g} s") from error
        except _FAILURES as error:
            raise self._note_failure(purpose, _tell(error)) from None
        self._breaker.succeeded()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        connection = await self._pool.acquire()
        try:
            yield connection
        finally:
            # The pool closes a connection that it cannot take back.
            with suppress(*_FAILURES):
                await self._pool.release(connection, timeout=GIVING_BACK)

    def _note_failure(self, purpose: str, reason: str) -> RunestoneError:
        self._breaker.failed()
        message = f"the audit database cannot be {purpose}: {reason}"
        return RunestoneError(Reason.UNAVAILABLE, message, retry_after=1.0)

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=MAX_CONNECTIONS,
            timeout=CONNECT,
            command_timeout=self._deadline,
            server_settings=_SESSION,
            init=self._prepare,
            reset=_leave_as_it_is,
        )
        return self

    async def __aexit__(self, *exception: object) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVING_BACK):
                await self._pool.close()  # what it cannot close by then it cuts

    def __repr__(self) -> str:
        return f"PostgresPool({MAX_CONNECTIONS} connections at most, {self._breaker!r})"


def _tell(error: Exception) -> str:
    """What went wrong. The server's DETAIL, which `str` would add, may quote a record."""
    told = (isinstance(error, asyncpg.PostgresError) and error.message) or str(error)
    return f"{type(error).__name__}: {told}"


async def _leave_as_it_is(connection: Connection) -> None:
    """Nothing is set, locked or listened to for longer than a transaction; it would be a round trip for each."""
