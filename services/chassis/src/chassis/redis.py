"""A shared store on Redis or Valkey, one server or a cluster: milliseconds of patience, and a breaker.

Whatever goes wrong is UNAVAILABLE within the deadline, and at once while a breaker is open: callers have a rule for a store that
does not answer, none for one that is slow.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.health import Facts
from chassis.redis_cluster import ClusterPool
from chassis.redis_layout import Survey
from chassis.redis_pool import DEADLINE, MAX_CONNECTIONS, Argument, Command, RedisPool, Script
from chassis.redis_url import is_cluster
from chassis.runtime import Runtime

__all__ = [
    "DEADLINE",
    "ClusterPool",
    "Command",
    "RedisClient",
    "RedisPool",
    "Script",
    "make_client",
    "open_client",
    "open_pool",
]


class RedisClient(Protocol):
    """What one Redis (`RedisPool`) and a cluster (`ClusterPool`) both answer. A cluster wants a key in every command, and keys of
    one slot in a script."""

    @property
    def is_up(self) -> bool:
        """Whether questions are let through."""

    async def ask(self, command: str, *arguments: Argument) -> Any:
        """The answer to one command. Raises UNAVAILABLE."""

    async def run(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Any:
        """What a script returns. Raises UNAVAILABLE."""

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands, sent together. Raises UNAVAILABLE; then some may have been done."""

    async def survey(self) -> Survey[RedisPool]:
        """The servers that keep all keys between them. Raises UNAVAILABLE."""

    async def wait(self, pause: float = 0.2) -> None:
        """Returns when the store answers."""


async def open_pool(runtime: Runtime, url: str, name: str = "store") -> RedisPool:
    """A pool that lives as long as the service, which is ready when Redis has answered once. `name` tells the stores of one
    service apart, as a fact and in `runestone_<name>_up`.

    A later outage leaves the service ready: it then answers UNAVAILABLE, which its callers have a rule for, while one
    that is not ready would take the gateway down with it.
    """
    pool = RedisPool(url, deadline=DEADLINE, breaker=Breaker(clock=runtime.clock))
    await runtime.open(pool)
    _tell_of(runtime, pool, name)
    return pool


async def open_client(runtime: Runtime, url: str, name: str = "store") -> RedisClient:
    """As `open_pool`, for stores that a cluster may keep."""
    client: RedisClient = await runtime.open(make_client(url, runtime.clock, deadline=DEADLINE))
    _tell_of(runtime, client, name)
    return client


def make_client(
    url: str, clock: Clock, *, deadline: float, max_connections: int = MAX_CONNECTIONS
) -> RedisPool | ClusterPool:
    """A client of what the address names. The caller opens and closes it."""
    if is_cluster(url):
        return ClusterPool(url, deadline=deadline, max_connections=max_connections, clock=clock)
    return RedisPool(url, deadline=deadline, max_connections=max_connections, breaker=Breaker(clock=clock))


def _tell_of(runtime: Runtime, client: RedisClient, name: str) -> None:
    runtime.facts.declare(name, detail="Redis has not answered yet")
    runtime.metrics.gauge(f"{name}_up", "Whether the shared store answers (1) or is left alone (0)").set_function(
        lambda: client.is_up
    )
    runtime.spawn(_say_when_up(client, runtime.facts, name), name)


async def _say_when_up(client: RedisClient, facts: Facts, name: str) -> None:
    await client.wait()
    facts.say(name, holds=True)
