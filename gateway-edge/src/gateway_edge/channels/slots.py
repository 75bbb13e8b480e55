"""How many may run at a time. Pure."""

from collections.abc import Callable


class Slots:
    """Counts what runs against a bound that is asked each time, because it may be reloaded."""

    __slots__ = ("_bound", "_then", "taken")

    def __init__(self, bound: Callable[[], int]) -> None:
        self._bound = bound
        self._then: Callable[[], None] | None = None
        self.taken = 0

    @property
    def is_draining(self) -> bool:
        """Whether somebody waits for the last to be given back."""
        return self._then is not None

    def drain(self, then: Callable[[], None]) -> None:
        """Calls `then` when the last is given back; never where none is taken any more."""
        self._then = then

    def take(self) -> bool:
        """Takes one, unless all are taken; who took gives back."""
        if self.taken >= self._bound():
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        """One is free again."""
        self.taken -= 1
        if self._then is not None and not self.taken:
            self._then()

    def __repr__(self) -> str:
        return f"Slots({self.taken}/{self._bound()})"
