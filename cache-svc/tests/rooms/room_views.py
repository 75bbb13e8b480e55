"""A watcher of a room, as an edge is one: what it was told, put together."""

import asyncio
from contextlib import aclosing

from cache_svc.rooms.store import Kind, Presence, RoomBounds, Standing

SMALL = RoomBounds(max_members=3, max_messages=4, max_bytes=3_000, max_rate=20, max_byte_rate=100_000)
LONG = 600.0
PATIENT = 30.0  # seconds; more than anything takes on a busy machine


def presence(ref, edge="edge-1", content=None):
    """Somebody whose content says who he is."""
    return Presence(ref, edge, b"%s|%s" % (ref.encode(), content or b""))


def ref_of(content):
    return content.partition(b"|")[0].decode()


class View:
    """Watches a room with `run`, again and again, from where it is. `members` are contents by ref, `said` all messages by position."""

    def __init__(self, store, room, edge="edge-1", history=0):
        self._store = store
        self._room = room
        self._edge = edge
        self._history = history
        self.members = {}
        self.said = {}
        self.positions = []
        self.position = 0
        self.was_behind = []
        self.watches = 0

    async def run(self, seconds=LONG):
        """Until cancelled."""
        while True:
            await self.watch_once(seconds)

    async def watch_once(self, seconds=LONG):
        watch = self._store.watch(self._room, self._edge, after=self.position, history=self._history, seconds=seconds)
        async with aclosing(watch) as letters:
            async for letter in letters:
                self.take(letter)

    def take(self, letter):
        """Hears one letter."""
        if isinstance(letter, Standing):
            self.watches += 1
            self.members = {ref_of(content): content for content in letter.members}
            self._hear(letter.messages)
            self.position = letter.position
            self.was_behind.append(letter.is_behind)
            return
        for change in letter:
            assert change.position > self.position, "nothing comes twice, and nothing out of order"
            self.position = change.position
            self.positions.append(change.position)
            if change.kind is Kind.ENTERED:
                self.members[ref_of(change.content)] = change.content
            elif change.kind is Kind.LEFT:
                assert self.members.pop(change.content.decode(), None) is not None, "who leaves was there"
            else:
                self._hear([change])

    def _hear(self, messages):
        for message in messages:
            assert message.position not in self.said, "no message comes twice"
            self.said[message.position] = message.content

    async def until(self, holds):
        """Returns when `holds()`."""
        async with asyncio.timeout(PATIENT):
            while not holds():
                await asyncio.sleep(0.005)


class watching:  # noqa: N801  used as a function
    """A view with its task, as a context; it has heard how the room stands."""

    def __init__(self, store, room, edge="edge-1", seconds=LONG, history=0):
        self.view = View(store, room, edge, history)
        self._seconds = seconds

    async def __aenter__(self):
        self._task = asyncio.create_task(self.view.run(self._seconds))
        await self.view.until(lambda: self.view.watches or self._task.done())
        return self.view

    async def __aexit__(self, *exception):
        self._task.cancel()
        outcome = (await asyncio.gather(self._task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), outcome
