"""Flights that are over, kept for a moment: a subscriber whose connection broke near the end may still ask for it, and the
same question may be asked again."""

from collections import OrderedDict
from collections.abc import Callable

from chassis.clock import Clock
from provider_svc.flight import Flight
from provider_svc.settings import ProviderSettings


class Shelf:
    """Keeps flights for `linger` seconds, at most so many and so many bytes; the oldest leave first, and `forget` is told."""

    def __init__(self, bounds: ProviderSettings, clock: Clock, forget: Callable[[Flight], None]) -> None:
        self._bounds = bounds
        self._clock = clock
        self._forget = forget
        self._flights: OrderedDict[Flight, float] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, flight: Flight) -> bool:
        return flight in self._flights

    def put(self, flight: Flight) -> None:
        """Keeps `flight`, which must be over; the oldest leave when there are too many."""
        self.take(flight)
        self._flights[flight] = self._clock.monotonic() + self._bounds.linger
        self._held += flight.ring.held
        while len(self._flights) > self._bounds.max_lingering or self._held > self._bounds.max_lingering_bytes:
            self._drop_oldest()

    def take(self, flight: Flight) -> None:
        """Takes a flight down, if it is here: it is followed again."""
        if self._flights.pop(flight, None) is not None:
            self._held -= flight.ring.held

    def expire(self) -> None:
        """Forgets what is too old."""
        now = self._clock.monotonic()
        while self._flights and next(iter(self._flights.values())) <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        flight, _ = self._flights.popitem(last=False)
        self._held -= flight.ring.held
        self._forget(flight)

    def __repr__(self) -> str:
        return f"Shelf({len(self)} flights, {self._held} bytes)"
