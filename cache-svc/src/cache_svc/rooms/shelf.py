"""The last messages of a room. Pure."""

from collections import deque
from itertools import islice

from cache_svc.rooms.store import Change


class Shelf:
    """At most `max_count` messages that count for `max_bytes`, at least the last one. `floor` is the position of the last that left."""

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._changes: deque[Change] = deque()
        self.floor = 0
        self.size = 0

    def add(self, change: Change) -> None:
        """The next one."""
        self._changes.append(change)
        self.size += change.size
        while len(self._changes) > self._max_count or (self.size > self._max_bytes and len(self._changes) > 1):
            oldest = self._changes.popleft()
            self.floor = oldest.position
            self.size -= oldest.size

    def list_behind(self, position: int) -> list[Change]:
        """All behind a position, in order."""
        return [change for change in self._changes if change.position > position]

    def list_last(self, count: int) -> list[Change]:
        """The last `count`, in order."""
        return list(islice(self._changes, max(0, len(self._changes) - count), None))

    def __len__(self) -> int:
        return len(self._changes)
