"""Answers in Redis or Redis Cluster, shared by all replicas, which bounds itself (`maxmemory`).

Labels stand in front of each answer, and a purge goes over all keys (`SCAN`). An index (a set of keys for each label) would find
them faster and could not be relied on: a Redis that makes room by `allkeys-lru` may evict a set and keep its answers, which then no
purge finds; a member outlives its answer, so that sets of a million grow where answers do not; and in a cluster an answer and
its sets are in different slots, which no one step writes. So it is one key and one round trip to keep or look up an answer,
nothing can disagree with itself, and `FLUSHALL` leaves nothing behind. A purge, which is rare, pays: a million answers take
15 to 18 seconds (measured on two busy cores), in steps of some 3 ms.
"""

from cache_svc import redis_labels
from cache_svc.redis_purge import key_of, purge
from cache_svc.store import Bounds, Entry, Holdings, Selection
from chassis.redis import RedisClient


class RedisStore:
    """One key an answer, which Redis forgets when it is over. Of `bounds` only the size of one entry holds here."""

    def __init__(self, client: RedisClient, bounds: Bounds) -> None:
        self._client = client
        self._bounds = bounds

    async def look_up(self, fingerprint: bytes, _tenant: str = "", /) -> bytes | None:
        """What Redis still has."""
        kept: bytes | None = await self._client.ask("GET", key_of(fingerprint))
        return None if kept is None else redis_labels.read_body(kept)

    async def keep(self, entry: Entry) -> bool:
        """The time to live is rounded up to a millisecond."""
        if not self._bounds.admit(entry):
            return False
        kept = redis_labels.write(entry.labels, entry.body)
        await self._client.ask("SET", key_of(entry.fingerprint), kept, "PX", -int(-entry.ttl * 1000 // 1))
        return True

    async def purge(self, selection: Selection) -> int:
        """Takes as long as there are keys in Redis, whoever wrote them; each step has the deadline."""
        return await purge(self._client, selection)

    async def take_stock(self) -> Holdings:
        """What is cheap to know: the keys of the database and the memory of its servers, whoever else uses them."""
        entries = used = 0
        for master in (await self._client.survey()).masters:
            entries += await master.ask("DBSIZE")
            used += (await master.ask("INFO", "memory"))["used_memory"]
        return Holdings(store="redis", entries=entries, bytes=used)

    def __repr__(self) -> str:
        return f"RedisStore({self._client!r})"
