"""What is no longer to be given: a log that those who keep copies of answers follow."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from cache_svc.store import Selection


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a log: which log (another after a restart, or when the store has lost it), and how many changes it has had."""

    epoch: str
    version: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What follows a mark: up to `mark` these are dropped, or everything where `is_reset`."""

    mark: Mark
    dropped: tuple[Selection, ...] = ()
    is_reset: bool = False


class ChangeLog(Protocol):
    """Changes in order, for all replicas that share a store. An answer is deleted first and then logged, so that whoever read it
    before holds a mark that is older than the change."""

    @property
    def mark(self) -> Mark:
        """The last change that this process has heard of: never more than there were."""

    async def add(self, selection: Selection) -> Mark:
        """Logs a change. Raises UNAVAILABLE."""

    def follow(self, after: Mark | None) -> AsyncGenerator[Changes]:
        """What changes behind `after`, the first at once and then at least every second, empty when nothing has. Begins with a
        reset where the log does not reach back to `after`. Raises UNAVAILABLE where it is no longer known what changes. Whoever
        stops early closes it."""
