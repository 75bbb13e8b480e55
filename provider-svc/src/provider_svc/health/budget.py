"""What may be asked beside the first: a token bucket that calls fill. As the retry budgets of Finagle and Linkerd."""


class Budget:
    """Each call earns `share` of an extra one; at most `most` are saved, and `reserve` are there at the begin."""

    __slots__ = ("_most", "_saved", "_share", "spent")

    def __init__(self, *, share: float, reserve: float, most: float) -> None:
        self._share = share
        self._most = most
        self._saved = min(reserve, most)
        self.spent = 0

    def earn(self) -> None:
        """A call has come."""
        self._saved = min(self._saved + self._share, self._most)

    def spend(self) -> bool:
        """Takes one extra call; False when there is none to take."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        self.spent += 1
        return True

    def __repr__(self) -> str:
        return f"Budget({self._saved:.1f} of {self._most:g} saved, {self.spent} spent)"
