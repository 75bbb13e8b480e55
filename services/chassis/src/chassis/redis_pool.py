"""One Redis or Valkey: bounded connections, milliseconds of patience, and a breaker.

The only place that knows the client library's connections. Whatever goes wrong is UNAVAILABLE within the deadline, and at once while
the breaker is open: callers have a rule for a store that does not answer, none for one that is slow.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AskError, MovedError, NoScriptError, RedisError

from chassis.breaker import Breaker
from chassis.config import ConfigError, Problem
from chassis.errors import Reason, RunestoneError
from chassis.redis_layout import Address, Survey

DEADLINE = 0.050
MAX_CONNECTIONS = 32

Argument = bytes | str | int
Command = tuple[Argument, ...]  # its name, then its arguments


class RedirectedError(RunestoneError):
    """UNAVAILABLE here, as the key is kept by another server of a cluster: at `address` from now on, or, where `is_asking`, for this
    question only, while its slot is being moved."""

    def __init__(self, error: AskError) -> None:
        advice = "the store is one server of a cluster; name it by redis+cluster://"
        super().__init__(Reason.UNAVAILABLE, advice, may_have_begun=False)
        self.address = Address(error.host, error.port)
        self.is_asking = not isinstance(error, MovedError)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the SHA-1 that Redis knows it by."""

    source: str
    sha: str

    @classmethod
    def load(cls, package: str, name: str) -> Self:
        """The script in the file `name` of an installed package."""
        source = resources.files(package).joinpath(name).read_text()
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class RedisPool:
    """Connections to one Redis, opened when needed, never more than `max_connections`.

    `deadline` (seconds) bounds each question with everything it needs: a free connection, connecting, the answer.
    Questions are never asked twice, so that nothing is counted twice. A question that is given up closes its connection;
    the next one cannot read its answer. Use as a context, which closes all connections.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline: float = DEADLINE,
        max_connections: int = MAX_CONNECTIONS,
        breaker: Breaker | None = None,
    ) -> None:
        self._deadline = deadline
        self._breaker = breaker or Breaker()
        self._pool = _read_url(url, deadline, max_connections)
        self._client = Redis(connection_pool=self._pool)
        self._execute: Callable[..., Awaitable[Any]] = self._client.execute_command
        self._open_pipeline: Callable[..., Any] = self._client.pipeline
        self._asking = 0

    @property
    def is_up(self) -> bool:
        """Whether questions are let through: False while the breaker is open."""
        return not self._breaker.is_open

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._asking == 0

    async def ask(self, command: str, *arguments: Argument, until: float | None = None) -> Any:
        """The answer to one command, as the client library reads it; strings are bytes. `until` (the loop's time) may shorten the
        deadline, here and below. Raises UNAVAILABLE."""
        async with self._guarded(until):
            return await self._execute(command, *arguments)

    async def run(
        self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument], until: float | None = None
    ) -> Any:
        """What the script returns; it is sent along when Redis does not know it (any more). Raises UNAVAILABLE."""
        inputs = (len(keys), *keys, *arguments)
        async with self._guarded(until):
            try:
                return await self._execute("EVALSHA", script.sha, *inputs)
            except NoScriptError:
                return await self._execute("EVAL", script.source, *inputs)

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands, in one round trip. Each is done for itself: raises UNAVAILABLE where one is refused,
        and the others may have been done."""
        replies = await self.exchange(commands)
        for reply in replies:
            if isinstance(reply, RedirectedError):
                raise reply
        return replies

    async def exchange(self, commands: Sequence[Command], until: float | None = None) -> list[Any]:
        """As `pipeline`, but a command that another server has to answer has its `RedirectedError` for an answer."""
        async with self._guarded(until):
            pipeline = self._open_pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return [_read(reply) for reply in await pipeline.execute(raise_on_error=False)]

    async def survey(self) -> Survey["RedisPool"]:
        """One server keeps all keys."""
        return Survey((self,))

    async def wait(self, pause: float = 0.2) -> None:
        """Returns when Redis answers; asks every `pause` seconds for as long as it takes."""
        while True:
            try:
                await self.ask("PING")
            except RunestoneError:
                await asyncio.sleep(pause)
            else:
                return

    @asynccontextmanager
    async def _guarded(self, until: float | None) -> AsyncIterator[None]:
        """Around one question. A caller that goes away says nothing about Redis: the breaker hears of answers only."""
        if not self._breaker.admits():
            raise RunestoneError(Reason.UNAVAILABLE, "the store did not answer lately and is left alone for a moment")
        self._asking += 1
        try:
            async with asyncio.timeout_at(self._until(until)):
                yield
        except TimeoutError as error:
            self._breaker.failed()
            raise RunestoneError(
                Reason.UNAVAILABLE, f"the store did not answer within {self._deadline * 1000:.0f} ms"
            ) from error
        except AskError as error:
            self._breaker.succeeded()
            raise RedirectedError(error) from error
        except (RedisError, OSError) as error:
            self._breaker.failed()
            raise RunestoneError(Reason.UNAVAILABLE, f"the store failed: {type(error).__name__}: {error}") from error
        finally:
            self._asking -= 1
        self._breaker.succeeded()

    def _until(self, until: float | None) -> float:
        own = asyncio.get_running_loop().time() + self._deadline
        return own if until is None else min(own, until)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()
        await self._pool.aclose()

    def __repr__(self) -> str:
        return f"RedisPool({self._asking} asking, {self._pool.max_connections} connections at most, {self._breaker!r})"


def _read(reply: Any) -> Any:
    """Raises what Redis refused, but for what another server has to be asked."""
    if isinstance(reply, AskError):
        return RedirectedError(reply)
    if isinstance(reply, RedisError):
        raise reply
    return reply


def _read_url(url: str, deadline: float, max_connections: int) -> BlockingConnectionPool:
    """The URL may hold a password, so no message quotes it."""
    try:
        return BlockingConnectionPool.from_url(
            url,
            max_connections=max_connections,
            timeout=deadline,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=None,
        )
    except ValueError:
        problem = "the store's address is not a URL such as redis://host:6379/0"
        raise ConfigError([Problem((), problem)]) from None
