"""How many there are of each."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Kind = TypeVar("Kind", bound=Hashable)


class Tally(Generic[Kind]):
    """Counts by kind; a kind of which there is none takes no memory."""

    def __init__(self) -> None:
        self.total = 0
        self._counts: dict[Kind, int] = {}

    def add(self, kind: Kind) -> None:
        """One more of `kind`."""
        self.total += 1
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def remove(self, kind: Kind) -> None:
        """One less of `kind`, of which there is one."""
        self.total -= 1
        left = self._counts[kind] - 1
        if left:
            self._counts[kind] = left
        else:
            del self._counts[kind]

    def __getitem__(self, kind: Kind) -> int:
        return self._counts.get(kind, 0)

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return f"Tally({self.total} of {len(self)} kinds)"
