"""For how long somebody is asked less who has too much to do: a target, or one of its keys for a model. Pure: times are given."""

from math import inf

SHORTEST, LONGEST = 0.5, 30.0  # seconds, of a pause that nobody named
LONGEST_HINTED = 60.0  # seconds; one that says more is asked again sooner


class Pressure:
    """A pause as long as it is said, else one that doubles each time until a call is answered. `until` is its end, on the clock that
    all times are of."""

    __slots__ = ("_seconds", "_since", "until")

    def __init__(self) -> None:
        self.until = -inf
        self._since = -inf
        self._seconds = SHORTEST

    def note_refusal(self, hint: float | None, began: float, now: float) -> None:
        """A call that began at `began` was refused; it is to come again after `hint` seconds, at once where another key may be tried. Those
        that began before the last refusal could not know of it: theirs is the same pressure."""
        is_news = self.is_behind(began)
        if hint is None and is_news:
            self._extend(now + self._seconds)
            self._seconds = min(self._seconds * 2, LONGEST)
        elif hint:
            self._extend(now + min(hint, LONGEST_HINTED))
        if is_news:
            self._since = now

    def is_behind(self, began: float) -> bool:
        """Whether a call that began then did so behind the last refusal."""
        return began > self._since

    def note_answer(self, began: float) -> None:
        """A call that began at `began` is answered: where that was behind the last refusal, there is no pressure any more."""
        if self.is_behind(began):
            self.until = -inf
            self._seconds = SHORTEST

    def _extend(self, until: float) -> None:
        self.until = max(self.until, until)

    def __repr__(self) -> str:
        return f"Pressure(until {self.until:.1f}, then {self._seconds:g} s)"
