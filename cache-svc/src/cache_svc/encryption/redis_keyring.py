"""Wrapped data keys in Redis, the same for all replicas; each command names one key, so that a Redis Cluster serves as well.

An owner's name is hidden from who reads along, but not from who guesses it: a hash with the master key would hide it from him
too, and after a change of the master key replicas would look for a record in two places, where shredding must not miss one.
"""

import hashlib

from cache_svc.encryption.sealing import frame
from chassis.redis import RedisClient, Script

PREFIX = "rs:ca:dk:"
SWAP = Script.load("cache_svc.encryption", "swap.lua")


class RedisKeyring:
    """One key an owner, kept for `ttl` seconds from its last change."""

    def __init__(self, client: RedisClient, ttl: float) -> None:
        self._client = client
        self._ttl = int(ttl * 1000)

    async def read(self, owner: str) -> bytes | None:
        """One question."""
        record: bytes | None = await self._client.ask("GET", _address(owner))
        return record

    async def swap(self, owner: str, before: bytes | None, after: bytes) -> bytes | None:
        """One question; what stands there then is None when Redis has lost it meanwhile."""
        stands: bytes = await self._client.run(SWAP, [_address(owner)], [before or b"", after, self._ttl])
        return stands or None

    async def destroy(self, owner: str) -> bool:
        """UNLINK would free the memory later; DEL does it now."""
        return bool(await self._client.ask("DEL", _address(owner)))

    def __repr__(self) -> str:
        return f"RedisKeyring({self._client!r})"


def _address(owner: str) -> str:
    return PREFIX + hashlib.sha256(frame(b"runestone owner", owner.encode())).hexdigest()
