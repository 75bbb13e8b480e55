"""Hints in Redis or Redis Cluster: one stream for all replicas, which each reads once for all who follow it there."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

from cache_svc.hints.memory import MemoryHints
from cache_svc.hints.store import Hint
from chassis.errors import RunestoneError
from chassis.redis import RedisClient, Script

KEY = "rs:hint"
BEHIND = Script.load("cache_svc.hints", "behind.lua")
LONGEST = 300_000  # milliseconds that a hint may hold, and so that the stream is kept after the last one
KEPT = 5_000  # entries, about
BLOCK = 5_000  # milliseconds that Redis waits for a hint
PATIENCE = 7.0  # seconds that a reader's question may take, the wait included
DEADLINE = 1.0  # seconds to tell one: no call waits for it
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds before Redis is asked again that did not answer
BEGINNING = b"0-0"


class RedisHints:
    """The stream is the store: who reads it from its beginning knows all that holds. It is one key. `reader` is a client of its own,
    with one connection and `PATIENCE` for a deadline; `heard` is where this process's followers are served from.

    While Redis does not answer nothing is told; followers stay, and hear afterwards what they missed.
    """

    def __init__(self, client: RedisClient, reader: RedisClient, heard: MemoryHints) -> None:
        self._client = client
        self._reader = reader
        self._heard = heard
        self._last = BEGINNING

    async def tell(self, topic: str, hint: Hint) -> None:
        """This replica hears of it as the others do."""
        fields = ("topic", topic, "key", hint.key, "sender", hint.sender, "ttl", _milliseconds(hint.ttl))
        add = ("XADD", KEY, "MAXLEN", "~", KEPT, "*", *fields)
        await self._client.pipeline([add, ("PEXPIRE", KEY, LONGEST)])

    def follow(self, topic: str, seconds: float) -> AsyncGenerator[tuple[Hint, ...]]:
        """Out of this process's memory."""
        return self._heard.follow(topic, seconds)

    def close(self) -> None:
        """Of this process only."""
        self._heard.close()

    async def read(self) -> None:
        """Hears of hints, until cancelled."""
        pause = SHORTEST_PAUSE
        while True:
            try:
                await self._catch_up()
                pause = SHORTEST_PAUSE
                while True:
                    await self._hear()
            except RunestoneError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _catch_up(self) -> None:
        for entry, age, fields in await self._reader.run(BEHIND, [KEY], [self._last]):
            self._take(entry, dict(zip(fields[::2], fields[1::2], strict=True)), age)

    async def _hear(self) -> None:
        """Waits for the next ones: they are as old as their way here."""
        for _, entries in await self._reader.ask("XREAD", "BLOCK", BLOCK, "STREAMS", KEY, self._last):
            for entry, fields in entries:
                self._take(entry, fields, 0)

    def _take(self, entry: bytes, fields: Mapping[bytes, bytes], age: int) -> None:
        self._last = entry
        with contextlib.suppress(KeyError, ValueError, RunestoneError):  # of another version, or of too many topics
            topic, hint = _read(fields)
            if (left := hint.ttl - age / 1000) > 0:
                self._heard.add(topic, replace(hint, ttl=left))

    def __repr__(self) -> str:
        return f"RedisHints(read up to {self._last.decode()}, {self._heard!r})"


def _read(fields: Mapping[bytes, bytes]) -> tuple[str, Hint]:
    hint = Hint(fields[b"key"], fields[b"sender"].decode(), int(fields[b"ttl"]) / 1000)
    return fields[b"topic"].decode(), hint


def _milliseconds(seconds: float) -> int:
    """Rounded up: none is over before its time."""
    return -int(-seconds * 1000 // 1)
