"""What is no longer to be given, in Redis: one log for all replicas, which each process reads once for all who follow it there."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from google.protobuf.message import DecodeError

from cache_svc.changes import Changes, Mark
from cache_svc.history import KEPT, History
from cache_svc.seals import UNSEALED, ChangeSeal
from cache_svc.store import Selection
from chassis.bell import Bell
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisClient, Script
from runestone.cache.v1 import cache_pb2

KEY = "rs:cl"
SCRIPT = Script.load("cache_svc", "redis_log.lua")
KEPT_FOR = 3_600_000  # milliseconds after the last reader
PAGE = 1_000  # changes read at once
BLOCK = (
    250  # milliseconds that Redis waits for a change; between two waits it is asked whether the log is still the same
)
PATIENCE = 1.0  # seconds that a reader's question may take, the wait included
PAUSE = 0.1  # seconds before Redis is asked again that did not answer
HEARTBEAT = 1.0  # seconds
NOWHERE = Mark("", 0)
ANYTHING = Selection(everything=True)


class RedisLog:
    """Changes in one stream (see redis_log.lua), numbered without gaps. It is one key, so that no part of it can be lost alone; with the
    key, by `FLUSHALL` say, the epoch is lost, and the next one who asks begins another.

    `reader` is a client of its own, with one connection and `PATIENCE` for a deadline: it waits for changes. What `seal` does not
    open, as another replica has another key, may have been anything: everything is to be dropped then.
    """

    def __init__(self, client: RedisClient, reader: RedisClient, seal: ChangeSeal = UNSEALED) -> None:
        self._client = client
        self._reader = reader
        self._seal = seal
        self._history = History(NOWHERE.epoch)
        self._is_current = False
        self._news = Bell()

    @property
    def mark(self) -> Mark:
        """The last change that this process has heard of; of no log before it heard of one."""
        return self._history.mark

    async def add(self, selection: Selection) -> Mark:
        """For all replicas, this one included: it hears of the change as they do."""
        _, last = await self._ask(self._client, NOWHERE, self._seal.seal(_write(selection)))
        return last

    async def follow(self, after: Mark | None) -> AsyncGenerator[Changes]:
        """Out of this process's memory. Raises UNAVAILABLE as soon as Redis does not tell of changes any more."""
        place = after
        if self.mark == NOWHERE:
            await self._wait()
        while self._is_current:
            changes = self._history.list_behind(place)
            yield changes
            place = changes.mark
            if self._is_current and place == self.mark:
                await self._wait()
        raise RunestoneError(Reason.UNAVAILABLE, "the store does not tell what changes", may_have_begun=False)

    async def read(self) -> None:
        """Hears of changes, until cancelled."""
        while True:
            try:
                await self._hear()
            except RunestoneError:
                self._is_current = False
                self._news.ring()
                await asyncio.sleep(PAUSE)

    async def _hear(self) -> None:
        """Finds the log, catches up with it, and waits for a change."""
        heard = self.mark
        first, last = await self._ask(self._reader, heard, b"")
        history = self._history if _leads_on(heard, first, last) else _begin(first)
        while history.mark.version < last.version:
            if not _take(history, await self._read_behind(history.mark)):
                return
        is_news = not self._is_current or history.mark != heard
        self._history, self._is_current = history, True
        if is_news:
            self._news.ring()
        if _take(history, await self._read_behind(history.mark, "BLOCK", BLOCK)):
            self._news.ring()

    async def _ask(self, client: RedisClient, heard: Mark, change: bytes) -> tuple[Mark, Mark]:
        arguments = (heard.epoch, heard.version, KEPT_FOR, KEPT, change)
        first, last = await client.run(SCRIPT, [KEY], arguments)
        return _read_id(first), _read_id(last)

    async def _read_behind(self, mark: Mark, *wait: str | int) -> Sequence[tuple[Mark, Selection]]:
        place = f"{mark.epoch}-{mark.version}"
        streams = await self._reader.ask("XREAD", "COUNT", PAGE, *wait, "STREAMS", KEY, place)
        return [(_read_id(entry), self._read(fields[b"change"])) for _, entries in streams for entry, fields in entries]

    def _read(self, change: bytes) -> Selection:
        written = self._seal.unseal(change)
        return ANYTHING if written is None else _read(written)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await self._news.wait()

    def __repr__(self) -> str:
        return f"RedisLog({self._history!r}, {'current' if self._is_current else 'out of reach'})"


def _leads_on(heard: Mark, first: Mark, last: Mark) -> bool:
    """Whether a log tells all that was behind what was heard."""
    return heard.epoch == last.epoch and first.version <= heard.version + 1 and heard.version <= last.version


def _begin(first: Mark) -> History:
    return History(first.epoch, max(first.version - 1, 0))


def _take(history: History, entries: Sequence[tuple[Mark, Selection]]) -> bool:
    """Whether there was a next change. Those of another log, or behind a gap, are left: the log is to be found anew."""
    before = history.mark
    for mark, selection in entries:
        if mark != Mark(history.mark.epoch, history.mark.version + 1):
            break
        history.append(selection)
    return history.mark != before


def _read_id(entry: bytes) -> Mark:
    epoch, _, version = entry.decode().partition("-")
    return Mark(epoch, int(version))


def _write(selection: Selection) -> bytes:
    return cache_pb2.Selection(
        key_prefix=selection.key_prefix,
        tenant=selection.tenant,
        model=selection.model,
        tag=selection.tag,
        everything=selection.everything,
    ).SerializeToString()


def _read(change: bytes) -> Selection:
    try:
        message = cache_pb2.Selection.FromString(change)
    except DecodeError:  # what a replica sealed that encrypts begins as no message does
        return ANYTHING
    return Selection(message.key_prefix, message.tenant, message.model, message.tag, message.everything)
