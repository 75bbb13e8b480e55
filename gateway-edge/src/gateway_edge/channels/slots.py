"""How many may run at a time. Pure."""

from collections.abc import Callable


class Slots:
    """Counts what runs against a bound that is asked each time, because it may be reloaded. Of what runs some is `tied`: it ends with its
    connection, and nobody finds it elsewhere."""

    __slots__ = ("_bound", "_tell", "_then", "taken", "tied")

    def __init__(self, bound: Callable[[], int]) -> None:
        self._bound = bound
        self._then: Callable[[], None] | None = None
        self._tell: Callable[[], None] | None = None
        self.taken = self.tied = 0

    @property
    def is_draining(self) -> bool:
        """Whether somebody waits for the last to be given back."""
        return self._then is not None

    @property
    def is_left(self) -> bool:
        """Whether its client was told to go elsewhere."""
        return self._then is not None and self._tell is None

    def drain(self, tell: Callable[[], None], then: Callable[[], None]) -> None:
        """Calls `tell` as soon as nothing is tied, once, and `then` when the last is given back; never where none is taken any more."""
        if self._then is None:
            self._tell = tell
        self._then = then
        self._maybe_tell()

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

    def tie(self) -> None:
        """One of those that are taken cannot be left."""
        self.tied += 1

    def untie(self) -> None:
        """It is over."""
        self.tied -= 1
        self._maybe_tell()

    def _maybe_tell(self) -> None:
        if self._tell is not None and not self.tied:
            tell, self._tell = self._tell, None
            tell()

    def __repr__(self) -> str:
        return f"Slots({self.taken}/{self._bound()})"
