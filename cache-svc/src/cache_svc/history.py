"""The last changes of one log, by number. Pure."""

from collections import deque

from cache_svc.changes import Changes, Mark
from cache_svc.store import Selection

KEPT = 10_000  # changes that a follower may be behind before he has to drop everything
LETTER = 1_000  # changes in one message at most


class History:
    """The last `kept` changes behind `version`. A follower has a place in it and no queue of his own, so that one who is slow
    takes no memory: what he missed is told in one reset."""

    def __init__(self, epoch: str, version: int = 0, *, kept: int = KEPT) -> None:
        self._epoch = epoch
        self._version = version
        self._changes: deque[Selection] = deque(maxlen=kept)

    @property
    def mark(self) -> Mark:
        """The last change."""
        return Mark(self._epoch, self._version)

    def append(self, selection: Selection) -> None:
        """The next change."""
        self._version += 1
        self._changes.append(selection)

    def list_behind(self, place: Mark | None) -> Changes:
        """Up to `LETTER` changes behind a place; a reset where they are not known."""
        if place is None:  # who keeps nothing has nothing to drop
            return Changes(self.mark)
        behind = self._version - place.version
        if place.epoch != self._epoch or not 0 <= behind <= len(self._changes):
            return Changes(self.mark, is_reset=True)
        told = min(behind, LETTER)
        dropped = tuple(self._changes[index - behind] for index in range(told))
        return Changes(Mark(self._epoch, place.version + told), dropped)

    def __repr__(self) -> str:
        return f"{self._version} changes, the last {len(self._changes)} kept"
