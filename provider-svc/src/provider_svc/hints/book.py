"""What hints need of the health of targets."""

from collections.abc import Callable
from typing import Protocol


class Warned(Protocol):
    """The health of one target."""

    provider: str
    model: str

    def hear_open(self, until: float, now: float) -> None:
        """Another replica says that its breaker is open, until `until` at the most; both are the clock's monotonic seconds."""


class Book(Protocol):
    """The health of the targets that this replica has called."""

    on_open: Callable[[str, str, float], None] | None
    """Told when a breaker opens or a target is ejected: provider, model, for how many seconds."""

    def find(self, provider: str, model: str) -> Warned | None:
        """The health of a target; None for one that was not called yet."""
