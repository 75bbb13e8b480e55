"""Flights that are over, kept for a moment: a subscriber whose connection broke near the end may still ask for it."""

from collections import OrderedDict

from chassis.clock import Clock
from provider_svc.flight import Flight
from provider_svc.settings import ProviderSettings


class Shelf:
    """Keeps flights for `linger` seconds, at most so many and so many bytes; the oldest leave first."""

    def __init__(self, bounds: ProviderSettings, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock
        self._flights: OrderedDict[str, tuple[Flight, float]] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._flights)

    def put(self, flight: Flight) -> None:
        """Keeps `flight`; one with the same id leaves, and the oldest when there are too many."""
        self.remove(flight.call_id)
        self._flights[flight.call_id] = (flight, self._clock.monotonic() + self._bounds.linger)
        self._held += flight.ring.held
        while len(self._flights) > self._bounds.max_lingering or self._held > self._bounds.max_lingering_bytes:
            self._drop_oldest()

    def get(self, call_id: str) -> Flight | None:
        """The flight, if it is still here."""
        self.expire()
        entry = self._flights.get(call_id)
        return entry and entry[0]

    def remove(self, call_id: str) -> None:
        """Forgets a flight, if it is here."""
        if (entry := self._flights.pop(call_id, None)) is not None:
            self._held -= entry[0].ring.held

    def expire(self) -> None:
        """Forgets what is too old."""
        now = self._clock.monotonic()
        while self._flights and next(iter(self._flights.values()))[1] <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (flight, _) = self._flights.popitem(last=False)
        self._held -= flight.ring.held

    def __repr__(self) -> str:
        return f"Shelf({len(self)} flights, {self._held} bytes)"
