"""How fast messages may come: the generic cell rate algorithm, of which one number has to be remembered. Pure."""


class Pace:
    """At most `rate` a second, and as many at once."""

    __slots__ = ("_due", "_interval")

    def __init__(self, rate: int) -> None:
        self._interval = 1 / rate
        self._due = 0.0

    def allows(self, now: float) -> bool:
        """Counts one more at `now` (seconds); whether it came in time. One that did not is not counted."""
        due = max(self._due, now)
        if due - now > 1 - self._interval / 2:
            return False
        self._due = due + self._interval
        return True
