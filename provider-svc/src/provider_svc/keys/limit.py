"""How many calls one key has at once. Pure: the numbers of running calls and the times are given.

Additive increase, multiplicative decrease (Chiu and Jain, 1989; RFC 5681 for "once a round trip"): it starts at its most, goes below what
ran when the provider refused something for its pressure, and grows again with each answer while it is used. The longer nothing was
refused, the faster it grows, as in CUBIC (RFC 9438): answers take half a minute, and one refusal must not cost an hour.

Of a provider that refuses nothing and slows down, the time to the first byte tells: lately much above its usual.
"""

from math import inf

from chassis.config.providers import Concurrency

REFUSED = 0.7  # of what ran
SLOW = 0.9  # of the limit
SLOWNESS = 3.0  # times the usual first byte
LATELY, USUALLY = 1 / 8, 1 / 128  # weights of one answer in the two averages
ENOUGH = 32  # answers before "usual" means something
PACE = 1.0  # seconds between two decreases for slowness, at least
CALM = 5.0  # seconds without a decrease after which it grows twice as fast, and again
DOUBLINGS = 12  # at most: a round of answers adds 4,096 then


class Limit:
    """The limit of one key. `places` is how many calls may run; times are seconds of one monotonic clock."""

    __slots__ = ("_adapts", "_answers", "_lately", "_least", "_most", "_shrunk", "_usually", "places", "value")

    def __init__(self, settings: Concurrency) -> None:
        self._most = settings.max
        self._least = min(settings.min, settings.max)
        self._adapts = settings.adaptive
        self._answers = 0
        self._lately = self._usually = 0.0
        self._shrunk = -inf
        self.value = float(settings.max)
        self.places = settings.max

    def note_answer(self, running: int, begun: float, now: float) -> None:
        """A call that began at `begun` is being answered, while `running` ran."""
        if not self._adapts:
            return
        self._note_first_byte(now - begun)
        if running * 2 <= self.value:
            return
        if self._is_slow() and begun > self._shrunk and now - self._shrunk >= PACE:
            self._shrink(self.value * SLOW, now)
        elif self.value < self._most:
            self._set(self.value + self._growth(now) / self.value)

    def note_refusal(self, running: int, begun: float, now: float) -> None:
        """The provider refused a call that began at `begun` for its pressure, while `running` ran, this one included. Calls that began
        before the last decrease could not know of it: theirs is the same pressure."""
        if self._adapts and begun > self._shrunk:
            self._shrink(min(self.value, running * REFUSED), now)

    def _note_first_byte(self, seconds: float) -> None:
        self._answers += 1
        if self._answers == 1:
            self._lately = self._usually = seconds
        self._lately += (seconds - self._lately) * LATELY
        self._usually += (seconds - self._usually) * USUALLY

    def _is_slow(self) -> bool:
        return self._lately > SLOWNESS * self._usually and self._answers >= ENOUGH

    def _growth(self, now: float) -> float:
        """What a whole round of answers adds."""
        rounds = int(min((now - self._shrunk) / CALM, DOUBLINGS))
        return float(1 << rounds)

    def _shrink(self, value: float, now: float) -> None:
        self._shrunk = now
        self._set(value)

    def _set(self, value: float) -> None:
        self.value = max(self._least, min(value, self._most))
        self.places = int(self.value)

    def __repr__(self) -> str:
        return f"Limit({self.places} of {self._least} to {self._most})"
