"""Hints in this process's memory: gone with it. Replicas have each their own, and callers watch all of them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from cache_svc.hints.store import Hint
from cache_svc.hints.topic import MAX_HINTS, Topic
from chassis.bell import Bell
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError

MAX_TOPICS = 16


class Room:
    """A topic, and who follows it."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.news = Bell()
        self.followers = 0


class MemoryHints:
    """At most `max_topics` at a time: one is forgotten when no hint of it holds and nobody follows it."""

    def __init__(self, clock: Clock, *, max_topics: int = MAX_TOPICS, max_hints: int = MAX_HINTS) -> None:
        self._clock = clock
        self._max_topics = max_topics
        self._max_hints = max_hints
        self._rooms: dict[str, Room] = {}
        self._is_closed = False

    async def tell(self, topic: str, hint: Hint) -> None:
        """Never waits."""
        self.add(topic, hint)

    def add(self, topic: str, hint: Hint) -> None:
        """As `tell`, in one step."""
        room = self._enter(topic)
        room.topic.tell(hint, self._clock.monotonic())
        room.news.ring()

    async def follow(self, topic: str, seconds: float) -> AsyncGenerator[tuple[Hint, ...]]:
        """Several hints that were told in quick succession come together."""
        if self._is_closed:
            raise RunestoneError(Reason.UNAVAILABLE, "the service is stopping; watch another", may_have_begun=False)
        until = self._clock.monotonic() + seconds
        room = self._enter(topic)
        room.followers += 1
        try:
            place = room.topic.place
            yield room.topic.list_behind(0, self._clock.monotonic())
            while not self._is_closed and (left := until - self._clock.monotonic()) > 0:
                if place == room.topic.place:
                    await _wait(room.news, left)
                    continue
                behind, place = room.topic.list_behind(place, self._clock.monotonic()), room.topic.place
                if behind:
                    yield behind
        finally:
            room.followers -= 1

    def close(self) -> None:
        """Without a wait."""
        self._is_closed = True
        for room in self._rooms.values():
            room.news.ring()

    def _enter(self, topic: str) -> Room:
        room = self._rooms.get(topic)
        if room is None:
            self._make_room()
            room = self._rooms[topic] = Room(Topic(self._max_hints))
        return room

    def _make_room(self) -> None:
        if len(self._rooms) < self._max_topics:
            return
        now = self._clock.monotonic()
        self._rooms = {
            name: room for name, room in self._rooms.items() if room.followers or not room.topic.is_over(now)
        }
        if len(self._rooms) >= self._max_topics:
            message = f"there are {self._max_topics} topics, which is all that may be"
            raise RunestoneError(Reason.OVERLOADED, message, retry_after=1.0)

    def __repr__(self) -> str:
        topics = ", ".join(f"{name}: {room.topic!r}, {room.followers} followers" for name, room in self._rooms.items())
        return f"MemoryHints({topics})"


async def _wait(news: Bell, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
