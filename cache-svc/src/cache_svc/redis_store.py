"""Answers in Redis, shared by all replicas, which bounds itself (`maxmemory`)."""

from cache_svc.store import Bounds, Entry, Holdings
from chassis.redis import RedisPool

PREFIX = "rs:ca:"


class RedisStore:
    """One key an answer, which Redis forgets when it is over. Of `bounds` only the size of one entry holds here."""

    def __init__(self, pool: RedisPool, bounds: Bounds) -> None:
        self._pool = pool
        self._bounds = bounds

    async def look_up(self, fingerprint: bytes) -> bytes | None:
        """What Redis still has."""
        body: bytes | None = await self._pool.ask("GET", _key(fingerprint))
        return body

    async def keep(self, entry: Entry) -> bool:
        """The time to live is rounded up to a millisecond."""
        if not self._bounds.admit(entry):
            return False
        await self._pool.ask("SET", _key(entry.fingerprint), entry.body, "PX", -int(-entry.ttl * 1000 // 1))
        return True

    async def take_stock(self) -> Holdings:
        """What is cheap to know: the keys of the database and the memory of the server, whoever else uses them."""
        entries = await self._pool.ask("DBSIZE")
        memory = await self._pool.ask("INFO", "memory")
        return Holdings(store="redis", entries=entries, bytes=memory["used_memory"])

    def __repr__(self) -> str:
        return f"RedisStore({self._pool!r})"


def _key(fingerprint: bytes) -> str:
    return PREFIX + fingerprint.hex()
