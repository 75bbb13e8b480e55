"""The last messages of a room, as this edge has heard them. Pure."""

from collections import deque
from collections.abc import Iterator

from msgspec import Struct

MAX_BYTES = 4 << 20  # of one room


class Heard(Struct, frozen=True):
    """A message that members are told: its place in the room's order, its event, its payload as told, a JSON object."""

    position: int
    event: str
    payload: bytes


class History:
    """Up to `most` messages, which take up to `max_bytes`; the oldest leave."""

    def __init__(self, most: int, max_bytes: int = MAX_BYTES) -> None:
        self.most = most
        self._max_bytes = max_bytes
        self._messages: deque[Heard] = deque()
        self.held = 0

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[Heard]:
        return iter(self._messages)

    def add(self, message: Heard) -> None:
        """Takes the newest one."""
        self._messages.append(message)
        self.held += len(message.payload)
        while self._messages and (len(self._messages) > self.most or self.held > self._max_bytes):
            self.held -= len(self._messages.popleft().payload)

    def after(self, position: int, most: int) -> list[Heard]:
        """The last ones, oldest first, that are behind a position."""
        if most <= 0:
            return []
        behind = [message for message in self._messages if message.position > position]
        return behind[-most:]

    def clear(self) -> None:
        """Forgets all: the room began anew."""
        self._messages.clear()
        self.held = 0

    def __repr__(self) -> str:
        return f"History({len(self._messages)}/{self.most} messages, {self.held}/{self._max_bytes} bytes)"
