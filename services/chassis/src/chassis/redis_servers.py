"""The servers of a Redis Cluster: who they are, and a pool of connections to each."""

import asyncio
from collections.abc import Callable, Iterator

from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.redis_layout import Address, Layout, Survey, tells_of_moves
from chassis.redis_pool import RedisPool

PAUSE = 1.0  # seconds between two readings of the layout in the background, at the least


class Servers:
    """Keeps what is known of the layout, and `open`s a pool for an address when it is needed.

    The layout is read when it is not known, and again, in the background, when somebody says `look_again`; questions that
    find their server do not wait for it.
    """

    def __init__(self, seeds: tuple[Address, ...], open_pool: Callable[[Address], RedisPool], clock: Clock) -> None:
        self._seeds = seeds
        self._open_pool = open_pool
        self._clock = clock
        self._pools: dict[Address, RedisPool] = {}
        self._layout: Layout | None = None
        self._reading: asyncio.Task[Layout] | None = None
        self._read_again_at = clock.monotonic()
        self._trouble = "none was asked yet"

    @property
    def are_up(self) -> bool:
        """Whether each master answers, as far as is known."""
        return self._layout is not None and all(self.reach(master).is_up for master in self._layout.masters)

    def reach(self, address: Address) -> RedisPool:
        """The connections to a server."""
        pool = self._pools.get(address)
        if pool is None:
            pool = self._pools[address] = self._open_pool(address)
        return pool

    async def find_owner(self, slot: int, until: float) -> Address:
        """The master of a slot. Waits until then (the loop's time) where nothing is known yet. Raises UNAVAILABLE."""
        if self._layout is None:
            self.look_again()
            if self._reading is not None:
                await asyncio.wait([self._reading], timeout=until - asyncio.get_running_loop().time())
        if self._layout is None:
            raise self._is_unknown()
        owner = self._layout.find_owner(slot)
        if owner is None:
            self.look_again()
            raise RunestoneError(Reason.UNAVAILABLE, f"no server of the store keeps slot {slot} now")
        return owner

    def look_again(self) -> None:
        """Begins to read the layout, unless that is being done or was just now."""
        now = self._clock.monotonic()
        if self._reading is None and now >= self._read_again_at:
            self._read_again_at = now + PAUSE
            self._reading = asyncio.create_task(self.read_layout(), name="redis layout")
            self._reading.add_done_callback(self._end_reading)

    async def read_layout(self) -> Layout:
        """Of the first server that tells. Raises UNAVAILABLE where none does; then what was known stays."""
        for address in tuple(self._list_known()):
            try:
                reply = await self.reach(address).ask("CLUSTER", "SLOTS")
            except RunestoneError as error:
                self._trouble = error.message
                continue
            if reply:
                self._layout = Layout.read(reply, address)
                await self._retire()
                return self._layout
            self._trouble = "they keep no slots yet"
        raise self._is_unknown()

    async def survey(self) -> Survey[RedisPool]:
        """Asks every master. Raises UNAVAILABLE where one does not answer."""
        layout = await self.read_layout()
        masters = tuple(self.reach(address) for address in layout.masters)
        nodes = [await master.ask("CLUSTER", "NODES") for master in masters]
        return Survey(masters, layout, tells_of_moves(nodes))

    async def close(self) -> None:
        """Closes every connection."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        while self._pools:
            await self._pools.popitem()[1].close()

    def _end_reading(self, reading: asyncio.Task[Layout]) -> None:
        self._reading = None
        if not reading.cancelled() and isinstance(error := reading.exception(), (ValueError, TypeError, IndexError)):
            self._trouble = f"what they answered is not a layout: {error!r}"

    def _is_unknown(self) -> RunestoneError:
        return RunestoneError(Reason.UNAVAILABLE, f"the servers of the store are not known: {self._trouble}")

    def _list_known(self) -> Iterator[Address]:
        """Masters that were up when last asked before those that were not."""
        masters = self._layout.masters if self._layout is not None else ()
        yield from sorted(masters, key=lambda master: not self.reach(master).is_up)
        yield from (seed for seed in self._seeds if seed not in masters)

    async def _retire(self) -> None:
        """Closes the connections to servers that keep nothing any more."""
        known = set(self._list_known())
        for address in [address for address, pool in self._pools.items() if address not in known and pool.is_idle]:
            await self._pools.pop(address).close()

    def __repr__(self) -> str:
        return f"Servers({', '.join(f'{host}:{port} {pool!r}' for (host, port), pool in self._pools.items())})"
