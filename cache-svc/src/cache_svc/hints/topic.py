"""The hints of one topic. Pure."""

from dataclasses import replace
from typing import NamedTuple

from cache_svc.hints.store import Hint

MAX_HINTS = 1_000


class _Told(NamedTuple):
    hint: Hint
    until: float
    number: int


class Topic:
    """The last hint of each key, those told first in front. A follower has a place in them and no queue of its own, so that one who is
    slow takes no memory. Above `max_hints` the one that was told longest ago is forgotten."""

    def __init__(self, max_hints: int = MAX_HINTS) -> None:
        self._max_hints = max_hints
        self._told: dict[bytes, _Told] = {}
        self._ends_at = 0.0
        self.place = 0

    def tell(self, hint: Hint, now: float) -> None:
        """The next hint."""
        self._told.pop(hint.key, None)
        self._make_room(now)
        self.place += 1
        until = now + hint.ttl
        self._told[hint.key] = _Told(hint, until, self.place)
        self._ends_at = max(self._ends_at, until)

    def list_behind(self, place: int, now: float) -> tuple[Hint, ...]:
        """What was told behind a place and holds, with what is left of its time."""
        behind = []
        for told in reversed(self._told.values()):
            if told.number <= place:
                break
            if told.until > now:
                behind.append(replace(told.hint, ttl=told.until - now))
        return tuple(reversed(behind))

    def is_over(self, now: float) -> bool:
        """Whether no hint holds any more."""
        return self._ends_at <= now

    def _make_room(self, now: float) -> None:
        if len(self._told) < self._max_hints:
            return
        for key in [key for key, told in self._told.items() if told.until <= now]:
            del self._told[key]
        if len(self._told) >= self._max_hints:
            del self._told[next(iter(self._told))]

    def __len__(self) -> int:
        return len(self._told)

    def __repr__(self) -> str:
        return f"Topic({len(self)} of {self._max_hints} hints)"
