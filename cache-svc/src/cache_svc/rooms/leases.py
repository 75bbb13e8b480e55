"""Leases of edges in the rooms of one shard in Redis: renewed for those that watch here, and ended for those that nobody renews."""

import asyncio
from collections.abc import Sequence

from cache_svc.rooms.feeds import Feeds
from cache_svc.rooms.redis_keys import leases_of, name_lease, read_lease, shard_of
from cache_svc.rooms.room_script import LEASE, RoomScript
from chassis.errors import RunestoneError
from chassis.redis import RedisClient, Script

SCRIPT = Script.load("cache_svc.rooms", "leases.lua")
INTERVAL = 3.0  # seconds between two rounds
PATIENT_ROUNDS = 3  # after an outage, before anybody is taken out: the other replicas had time to renew, too
STEP = 500  # leases renewed at once
ENDED = 100  # leases ended at once
MOST_STEPS = 100  # in one round


class Leases:
    """What is lost, by `FLUSHALL` say, is told to those who watch: they are sent away, and come back for the room as it stands. A replica that
    dies renews nothing: another takes out the members of its edges, in less than 30 seconds."""

    def __init__(self, client: RedisClient, script: RoomScript, shard: int, feeds: Feeds) -> None:
        self._client = client
        self._script = script
        self._shard = shard
        self._feeds = feeds
        self._known: set[str] = set()
        self._rounds = 0

    async def tend(self, interval: float = INTERVAL) -> None:
        """Goes round every `interval` seconds, until cancelled."""
        while True:
            try:
                await self.go_round()
            except RunestoneError:
                self._rounds = 0
            await asyncio.sleep(interval)

    async def go_round(self) -> None:
        """Renews all, then ends what is over. Raises UNAVAILABLE."""
        names = [name_lease(room, edge) for room, edge in self._feeds.list_watched() if shard_of(room) == self._shard]
        lost: set[bytes] = set()
        for start in range(0, len(names), STEP):
            missing, _ = await self._ask(names[start : start + STEP])
            lost.update(missing)
        self._send_away(lost)
        self._known = set(names)
        self._rounds += 1
        if self._rounds >= PATIENT_ROUNDS:
            await self._end_overdue()

    def _send_away(self, lost: set[bytes]) -> None:
        """Who watches only since the last round may not have had one."""
        rooms = {read_lease(name)[0] for name in lost if name.decode() in self._known}
        self._feeds.end(rooms.__contains__)

    async def _end_overdue(self) -> None:
        for _ in range(MOST_STEPS):
            _, overdue = await self._ask([])
            for name in overdue:
                await self._script.expel(*read_lease(name))
            if len(overdue) < ENDED:
                return

    async def _ask(self, names: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
        lost, overdue = await self._client.run(SCRIPT, [leases_of(self._shard)], [LEASE, ENDED, *names])
        return lost, overdue

    def __repr__(self) -> str:
        return f"Leases({self._shard}, {len(self._known)} renewed)"
