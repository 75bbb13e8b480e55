"""Flights that are over, kept for a moment: a subscriber whose connection broke near the end may still ask for it, and the
same question may be asked again."""

import math
from collections import OrderedDict
from collections.abc import Callable

from chassis.clock import Clock
from provider_svc.flight import Flight


class Shelf:
    """Keeps at most `most` flights and so many bytes; the oldest leave first, and `forget` is told."""

    def __init__(self, most: int, most_bytes: int, clock: Clock, forget: Callable[[Flight], None]) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._clock = clock
        self._forget = forget
        self._flights: OrderedDict[Flight, float] = OrderedDict()  # until when
        self._soonest = math.inf  # none leaves before
        self._held = 0

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, flight: Flight) -> bool:
        return flight in self._flights

    def put(self, flight: Flight, seconds: float) -> None:
        """Keeps `flight`, which must be over, for so long; the oldest leave when there are too many."""
        self.take(flight)
        until = self._flights[flight] = self._clock.monotonic() + seconds
        self._soonest = min(self._soonest, until)
        self._held += flight.ring.held
        while len(self._flights) > self._most or self._held > self._most_bytes:
            self._drop(next(iter(self._flights)))

    def take(self, flight: Flight) -> None:
        """Takes a flight down, if it is here: it is followed again."""
        if self._flights.pop(flight, None) is not None:
            self._held -= flight.ring.held

    def expire(self) -> None:
        """Forgets what is too old."""
        now = self._clock.monotonic()
        if now < self._soonest:
            return
        for flight in [flight for flight, until in self._flights.items() if until <= now]:
            self._drop(flight)
        self._soonest = min(self._flights.values(), default=math.inf)

    def _drop(self, flight: Flight) -> None:
        self.take(flight)
        self._forget(flight)

    def __repr__(self) -> str:
        return f"Shelf({len(self)} flights, {self._held} bytes)"
