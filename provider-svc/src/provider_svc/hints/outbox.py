"""What is to be told: bounded, the newest of each key, those that have waited longest first. Pure."""

from typing import NamedTuple

MAX_WAITING = 256


class Letter(NamedTuple):
    """A key, and until when its hint holds."""

    key: bytes
    until: float


class Outbox:
    """Letters that wait. One that is being sent stays in it until it is `remove`d, so that a newer one under its key may take its
    place meanwhile."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._waiting: dict[bytes, float] = {}

    def put(self, letter: Letter) -> bool:
        """Whether there was room."""
        if letter.key not in self._waiting and len(self._waiting) >= self._max_waiting:
            return False
        self._waiting[letter.key] = letter.until
        return True

    @property
    def first(self) -> Letter | None:
        """The one to be sent next."""
        return next((Letter(key, until) for key, until in self._waiting.items()), None)

    def remove(self, letter: Letter) -> None:
        """It was sent, or is given up; a newer one under its key stays."""
        if self._waiting.get(letter.key) == letter.until:
            del self._waiting[letter.key]

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"Outbox({len(self)} of {self._max_waiting} waiting)"
