"""A Redis Cluster as one store: each question goes to the server that keeps its key.

Not the client library's own `RedisCluster` (redis-py 8.1), which cannot keep the rule of `redis_pool`:

- It has one fate for all servers. A breaker around it closes with every answer of a healthy server and so never opens for one that
  hangs: a third of the questions would take the whole deadline for as long as that lasts. Here each server has its own.
- It reads the layout while a question waits, and only where a socket fails: one that hangs until the question is given up tells it
  nothing, so that a failover is never noticed.
- It raises when all connections are taken, instead of waiting for one, and after CLUSTERDOWN closes those to all servers and
  sleeps for 250 ms.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from chassis.breaker import Breaker
from chassis.clock import Clock, SystemClock
from chassis.config import ConfigError, Problem
from chassis.errors import RunestoneError
from chassis.redis_layout import Address, Survey, key_of, slot_of
from chassis.redis_pool import DEADLINE, MAX_CONNECTIONS, Argument, Command, RedirectedError, RedisPool, Script
from chassis.redis_servers import Servers
from chassis.redis_url import ClusterUrl

Question = Callable[[RedisPool], Awaitable[Any]]


class ClusterPool:
    """`deadline` (seconds) bounds each question with everything it needs, `max_connections` those to each server. Questions are never
    asked twice, but for those that a server refused because another keeps the key. Use as a context, which closes all
    connections.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline: float = DEADLINE,
        max_connections: int = MAX_CONNECTIONS,
        clock: Clock | None = None,
    ) -> None:
        cluster, clock = _read_url(url), clock or SystemClock()

        def open_pool(server: Address) -> RedisPool:
            breaker = Breaker(clock=clock)
            return RedisPool(cluster.of(server), deadline=deadline, max_connections=max_connections, breaker=breaker)

        self._deadline = deadline
        self._servers = Servers(cluster.seeds, open_pool, clock)

    @property
    def is_up(self) -> bool:
        """Whether questions are let through to all servers."""
        return self._servers.are_up

    async def ask(self, command: str, *arguments: Argument) -> Any:
        """The answer of the server that keeps the command's key. Raises UNAVAILABLE, and ValueError for a command without a key."""
        until, slot = self._until(), slot_of(key_of(command, arguments))
        return await self._put(slot, _asking(command, arguments, until), (command, *arguments), until)

    async def run(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Any:
        """What the script returns. Raises UNAVAILABLE, and ValueError for keys of several slots, or none."""
        slots = {slot_of(key) for key in keys}
        if len(slots) != 1:
            raise ValueError(f"a script's keys must be of one slot, not of {len(slots)}")
        until, whole = self._until(), ("EVAL", script.source, len(keys), *keys, *arguments)
        return await self._put(slots.pop(), lambda pool: pool.run(script, keys, arguments, until), whole, until)

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to several commands, in one round trip to each server that keeps a key of theirs, all at once. Each is done for
        itself: raises UNAVAILABLE where one is refused, and the others may have been done."""
        until = self._until()
        shares: dict[Address, list[int]] = defaultdict(list)
        for index, (name, *arguments) in enumerate(commands):
            shares[await self._servers.find_owner(slot_of(key_of(str(name), arguments)), until)].append(index)
        exchanges = (self._share(owner, [commands[i] for i in share], until) for owner, share in shares.items())
        found = await asyncio.gather(*exchanges, return_exceptions=True)
        replies: dict[int, Any] = {}
        for share, answer in zip(shares.values(), found, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            replies.update(zip(share, answer, strict=True))
        return [replies[index] for index in range(len(commands))]

    async def survey(self) -> Survey[RedisPool]:
        """Asks every server anew. Raises UNAVAILABLE where one does not answer."""
        return await self._servers.survey()

    async def wait(self, pause: float = 0.2) -> None:
        """Returns when every server answers; asks every `pause` seconds for as long as it takes."""
        while True:
            try:
                await self.survey()
            except RunestoneError:
                await asyncio.sleep(pause)
            else:
                return

    async def _put(self, slot: int, question: Question, command: Command, until: float) -> Any:
        """Puts a question to who keeps the slot; `command` says the same to a server that is not sure whether it does."""
        owner = await self._servers.find_owner(slot, until)
        try:
            return await question(self._servers.reach(owner))
        except RedirectedError as hint:
            return await self._follow(hint, owner, question, command, until)
        except RunestoneError:
            self._servers.look_again()
            raise

    async def _share(self, owner: Address, commands: Sequence[Command], until: float) -> list[Any]:
        try:
            replies = await self._servers.reach(owner).exchange(commands, until)
        except RunestoneError:
            self._servers.look_again()
            raise
        for index, reply in enumerate(replies):
            if isinstance(reply, RedirectedError):
                name, *arguments = command = commands[index]
                question = _asking(str(name), arguments, until)
                replies[index] = await self._follow(reply, owner, question, command, until)
        return replies

    async def _follow(
        self, hint: RedirectedError, asked: Address, question: Question, command: Command, until: float
    ) -> Any:
        """Once: who redirects a question that was redirected does not know, either."""
        server = self._servers.reach(Address(hint.address.host or asked.host, hint.address.port))
        if not hint.is_asking:
            self._servers.look_again()
            return await question(server)
        _, reply = await server.exchange([("ASKING",), command], until)
        if isinstance(reply, RedirectedError):
            raise reply
        return reply

    def _until(self) -> float:
        return asyncio.get_running_loop().time() + self._deadline

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._servers.close()

    def __repr__(self) -> str:
        return f"ClusterPool({self._servers!r})"


def _asking(command: str, arguments: Sequence[Argument], until: float) -> Question:
    return lambda pool: pool.ask(command, *arguments, until=until)


def _read_url(url: str) -> ClusterUrl:
    """The URL may hold a password, so no message quotes it."""
    try:
        return ClusterUrl.read(url)
    except ValueError:
        problem = "the store's address is not a URL such as redis+cluster://host:6379,host:6379"
        raise ConfigError([Problem((), problem)]) from None
