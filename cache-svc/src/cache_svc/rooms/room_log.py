"""What changes in the rooms of one shard in Redis, read once for all who watch in this process."""

import asyncio
from collections.abc import Mapping

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.redis_keys import log_of, shard_of
from cache_svc.rooms.room_script import RoomScript
from cache_svc.rooms.store import Change, Kind
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisClient

BLOCK = 1_000  # milliseconds that Redis waits for a change
PATIENCE = 2.0  # seconds that a reader's question may take, the wait included
PAGE = 100  # changes read at once
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds before Redis is asked again that did not answer
NOWHERE = -1


class RoomLog:
    """Reads the log of `shard` into `feeds`, in order. Each entry says which one was before it: where that is not what was read last, as when
    Redis has lost the log, or this process was too slow, all who watch here are sent away, and come back for the rooms as they stand.

    While Redis does not answer they stay, and hear afterwards what they missed. `reader` has a connection for this log alone.
    """

    def __init__(self, reader: RedisClient, shard: int, feeds: Feeds) -> None:
        self._reader = reader
        self._script = RoomScript(reader)
        self._shard = shard
        self._key = log_of(shard)
        self._feeds = feeds
        self._last = NOWHERE
        self._is_wanted, self._is_current = asyncio.Event(), asyncio.Event()

    async def begin(self) -> None:
        """Returns when all that changes from now on is heard. Raises UNAVAILABLE where that takes too long."""
        self._is_wanted.set()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._is_current.wait()
        except TimeoutError:
            message = f"the store did not answer within {PATIENCE:g} s"
            raise RunestoneError(Reason.UNAVAILABLE, message, may_have_begun=False) from None

    async def read(self) -> None:
        """Hears of changes from the first watch on, until cancelled: a service whose rooms nobody uses does not ask for them."""
        await self._is_wanted.wait()
        pause = SHORTEST_PAUSE
        while True:
            try:
                while True:
                    await self._hear()
                    pause = SHORTEST_PAUSE
            except RunestoneError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _hear(self) -> None:
        if self._last == NOWHERE:
            self._last = await self._find_end()
            self._is_current.set()
        place = f"{self._last}-0"
        streams = await self._reader.ask("XREAD", "COUNT", PAGE, "BLOCK", BLOCK, "STREAMS", self._key, place)
        for _, entries in streams:
            for entry, fields in entries:
                self._take(int(entry.partition(b"-")[0]), fields)
        if not streams:
            await self._check_end()

    async def _check_end(self) -> None:
        """A log that ends before what was read is another one."""
        end = await self._find_end()
        if end < self._last:
            self._begin_anew(end)

    async def _find_end(self) -> int:
        return await self._script.begin(bytes([self._shard]))

    def _take(self, position: int, fields: Mapping[bytes, bytes]) -> None:
        """What another version wrote, and this one does not understand, may have been anything."""
        try:
            before, change = _read(position, fields)
        except (KeyError, ValueError):
            self._begin_anew(position)
            return
        if before != self._last:
            self._begin_anew(position)
            return
        self._last = position
        if change is not None:
            self._feeds.add(*change)

    def _begin_anew(self, position: int) -> None:
        self._last = position
        self._feeds.end(lambda room: shard_of(room) == self._shard)

    def __repr__(self) -> str:
        return f"RoomLog({self._shard}, read up to {self._last})"


def _read(position: int, fields: Mapping[bytes, bytes]) -> tuple[int, tuple[bytes, Change] | None]:
    """The position before, the room and what changed in it; nothing did where the log begins."""
    before = int(fields[b"before"])
    if not fields[b"kind"]:
        return before, None
    change = Change(position, Kind(fields[b"kind"]), fields[b"content"])
    return before, (bytes.fromhex(fields[b"room"].decode()), change)
