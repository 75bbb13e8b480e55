"""How many calls may be made beyond those that were asked for, so that failing providers are not asked many times over."""

_PARTS = 10**9  # of one call: whole numbers lose nothing, however many calls come


class Budget:
    """A token bucket without a clock: each call earns `share` (to a billionth) of an extra call, of which at most `most` are saved, `reserve`
    of them from the begin. So there are never more than `reserve + share * calls`."""

    __slots__ = ("_most", "_saved", "_share", "refused", "share", "spent")

    def __init__(self, share: float, reserve: int, most: int) -> None:
        self.share = share
        self.spent = 0
        self.refused = 0
        self._share = round(share * _PARTS)
        self._most = most * _PARTS
        self._saved = min(reserve, most) * _PARTS

    @property
    def saved(self) -> float:
        """Extra calls that may be made now."""
        return self._saved / _PARTS

    def earn(self) -> None:
        """A call was asked for."""
        saved = self._saved + self._share
        self._saved = min(self._most, saved)

    def spend(self) -> bool:
        """Whether an extra call may be made; it is then spent."""
        if self._saved < _PARTS:
            self.refused += 1
            return False
        self._saved -= _PARTS
        self.spent += 1
        return True

    def __repr__(self) -> str:
        return (
            f"Budget({self.saved:.2f}/{self._most // _PARTS} saved, {self.share:g} a call, "
            f"{self.spent} spent, {self.refused} refused)"
        )
