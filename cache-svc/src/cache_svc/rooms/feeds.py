"""What changes in the rooms that are watched in this process: heard once, followed by all who watch."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from cache_svc.rooms.store import Change
from chassis.bell import Bell
from chassis.clock import Clock

MAX_BYTES = 64 << 20  # that changes of all rooms count for: then the oldest leave
MAX_CHANGES = 100_000
LETTER, LETTER_BYTES = 256, 1 << 20  # changes in one message at most, and what they count for, about


class Feed:
    """The last changes of one room. A follower has a place in them and no queue of its own, so that one who is slow takes no memory: he is
    sent away when changes that he has not seen have left, and comes back for the room as it stands."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque()
        self._floor = 0
        self._is_over = False
        self._news = Bell()
        self.watchers: Counter[str] = Counter()

    def add(self, change: Change) -> None:
        """The next one."""
        self._changes.append(change)
        self._news.ring()

    def drop_oldest(self) -> int:
        """How many bytes it counted for."""
        oldest = self._changes.popleft()
        self._floor = oldest.position
        return oldest.size

    def end(self) -> None:
        """Sends all followers away."""
        self._is_over = True
        self._news.ring()

    async def follow(self, place: int, until: float, clock: Clock) -> AsyncGenerator[tuple[Change, ...]]:
        """All changes behind a place, several together where they are there. Ends at `until` (of the clock that never steps back)."""
        while not self._is_over and place >= self._floor and (left := until - clock.monotonic()) > 0:
            changes = self._list_behind(place)
            if changes:
                place = changes[-1].position
                yield changes
            else:
                await _wait(self._news, left)

    def _list_behind(self, place: int) -> tuple[Change, ...]:
        count = 0
        for change in reversed(self._changes):
            if change.position <= place:
                break
            count += 1
        letter: list[Change] = []
        size = 0
        for change in islice(self._changes, len(self._changes) - count, None):
            if letter and (len(letter) >= LETTER or size + change.size > LETTER_BYTES):
                break
            letter.append(change)
            size += change.size
        return tuple(letter)

    def __len__(self) -> int:
        return len(self._changes)


class Feeds:
    """The feed of each room that somebody watches, and which edges those are. All of them together hold at most `max_bytes`."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_changes: int = MAX_CHANGES) -> None:
        self._max_bytes = max_bytes
        self._max_changes = max_changes
        self._feeds: dict[bytes, Feed] = {}
        self._order: deque[Feed] = deque()
        self.used_bytes = 0
        self.is_closed = False

    @contextmanager
    def open(self, room: bytes, edge: str) -> Iterator[Feed]:
        """A feed that hears all that is added from now on."""
        feed = self._feeds.setdefault(room, Feed())
        feed.watchers[edge] += 1
        try:
            yield feed
        finally:
            feed.watchers[edge] -= 1
            if not feed.watchers[edge]:
                del feed.watchers[edge]
            if not feed.watchers:
                self._forget(room, feed)

    def add(self, room: bytes, change: Change) -> None:
        """Something happened in a room; where nobody watches it nobody hears."""
        feed = self._feeds.get(room)
        if feed is None:
            return
        feed.add(change)
        self._order.append(feed)
        self.used_bytes += change.size
        while self.used_bytes > self._max_bytes or len(self._order) > self._max_changes:
            oldest = self._order.popleft()
            if len(oldest):
                self.used_bytes -= oldest.drop_oldest()

    def has(self, room: bytes) -> bool:
        """Whether anybody watches the room here."""
        return room in self._feeds

    def is_watched(self, room: bytes, edge: str) -> bool:
        """Whether the edge watches the room here."""
        return room in self._feeds and edge in self._feeds[room].watchers

    def list_watched(self) -> list[tuple[bytes, str]]:
        """Rooms, and the edges that watch each."""
        return [(room, edge) for room, feed in self._feeds.items() for edge in feed.watchers]

    def end(self, of: Callable[[bytes], bool]) -> None:
        """Sends away who watches rooms of which something may have been lost."""
        for room, feed in list(self._feeds.items()):
            if of(room):
                feed.end()
                self._forget(room, feed)

    def close(self) -> None:
        """Sends everybody away, for good."""
        self.is_closed = True
        self.end(lambda _room: True)

    def _forget(self, room: bytes, feed: Feed) -> None:
        """Its places in the order stay, and stand for nothing."""
        while len(feed):
            self.used_bytes -= feed.drop_oldest()
        if self._feeds.get(room) is feed:
            del self._feeds[room]

    def __len__(self) -> int:
        return len(self._feeds)

    def __repr__(self) -> str:
        return f"Feeds({len(self)} rooms, {self.used_bytes} of {self._max_bytes} bytes)"


async def _wait(news: Bell, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
