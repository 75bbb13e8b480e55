"""The breakers in front of the parts that a call can do without, or that are better refused at once, and what metrics show of them."""

from collections.abc import Iterator, Sequence

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.metrics import Metrics


class Breakers:
    """Makes them, each by the name of what it stands in front of."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}
        help_text = "1 while a part is not asked, because it failed"
        metrics.survey("breaker_open", help_text, ("part",), self._measure)

    def make(self, part: str) -> Breaker:
        """A new breaker in front of `part`."""
        assert part not in self._breakers, "each is shown under a name of its own"
        self._breakers[part] = breaker = Breaker(clock=self._clock)
        return breaker

    def _measure(self) -> Iterator[tuple[Sequence[str], float]]:
        for part, breaker in self._breakers.items():
            yield (part,), float(breaker.is_open)
