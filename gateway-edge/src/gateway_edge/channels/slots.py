"""How many may run at a time. Pure."""

from collections.abc import Callable


class Slots:
    """Counts what runs against a bound that is asked each time, because it may be reloaded."""

    __slots__ = ("_bound", "taken")

    def __init__(self, bound: Callable[[], int]) -> None:
        self._bound = bound
        self.taken = 0

    def take(self) -> bool:
        """Takes one, unless all are taken; who took gives back."""
        if self.taken >= self._bound():
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        """One is free again."""
        self.taken -= 1

    def __repr__(self) -> str:
        return f"Slots({self.taken}/{self._bound()})"
