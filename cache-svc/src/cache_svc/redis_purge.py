"""A purge in Redis: over all keys of all servers, a step at a time.

`SCAN` promises to return what is there from its beginning to its end (https://redis.io/docs/latest/commands/scan/): what was kept
before the purge is found, what is kept meanwhile may be. Every step may be done twice without harm, so that one that was not answered
is asked for again.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from cache_svc import redis_labels
from cache_svc.store import Selection
from chassis.errors import RunestoneError
from chassis.redis import Command, RedisClient, RedisPool

Answer = TypeVar("Answer")

PREFIX = "rs:ca2:"
FINGERPRINT = 32  # bytes of a whole key
STEP = 200  # keys looked at in one round trip: a step takes some 3 ms
TRIES = 3  # of a step
PASSES = 3  # over all servers, while keys move between them


def key_of(fingerprint: bytes) -> str:
    """Where the answer is kept that has the fingerprint; where answers are kept whose fingerprints begin so."""
    return PREFIX + fingerprint.hex()


async def purge(client: RedisClient, selection: Selection) -> int:
    """How many answers were forgotten. A key that moves from one server to another may be met by neither: then all servers are gone
    over again, until nothing moved meanwhile or it was done `PASSES` times. Raises UNAVAILABLE."""
    digests = redis_labels.wanted(selection)
    if len(selection.key_prefix) == FINGERPRINT:
        return await _forget(client, [key_of(selection.key_prefix)], digests)
    purged, survey = 0, await client.survey()
    for _ in range(PASSES):
        for master in survey.masters:
            purged += await _sweep(client, master, key_of(selection.key_prefix) + "*", digests)
        before, survey = survey, await client.survey()
        if survey == before and not survey.is_moving:
            break
    return purged


async def _sweep(client: RedisClient, master: RedisPool, pattern: str, digests: frozenset[bytes]) -> int:
    purged, cursor = 0, -1
    while cursor:
        cursor, keys = await _scan(master, max(cursor, 0), pattern)
        purged += await _forget(client, keys, digests)
    return purged


async def _scan(master: RedisPool, cursor: int, pattern: str) -> tuple[int, Sequence[bytes]]:
    behind, keys = await _insist(lambda: master.ask("SCAN", cursor, "MATCH", pattern, "COUNT", STEP))
    return int(behind), keys


async def _forget(client: RedisClient, keys: Sequence[bytes | str], digests: frozenset[bytes]) -> int:
    """Of the keys those that have all labels."""
    if digests and keys:
        heads = await _ask_all(client, [("GETRANGE", key, 0, redis_labels.HEAD - 1) for key in keys])
        keys = [key for key, head in zip(keys, heads, strict=True) if digests <= redis_labels.read_digests(head)]
    return sum(await _ask_all(client, [("UNLINK", key) for key in keys])) if keys else 0


async def _ask_all(client: RedisClient, commands: Sequence[Command]) -> Sequence[Any]:
    return await _insist(lambda: client.pipeline(commands))


async def _insist(question: Callable[[], Awaitable[Answer]]) -> Answer:
    for _ in range(TRIES - 1):
        try:
            return await question()
        except RunestoneError:
            continue
    return await question()
