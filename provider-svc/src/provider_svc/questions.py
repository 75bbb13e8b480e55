"""Which flight answers a question now, so that nobody asks a provider the same thing twice at once."""

from chassis.clock import Clock
from provider_svc.call import Question
from provider_svc.flight import Flight
from provider_svc.settings import ProviderSettings


class Questions:
    """The newest flight of each question, from its begin until it is forgotten. It may be joined from its first event on, while it
    runs and, when it came to be whole, for `grace` seconds after: identical calls of one moment do not all arrive within it.
    """

    def __init__(self, bounds: ProviderSettings, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock
        self._flights: dict[Question, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def put(self, question: Question, flight: Flight) -> None:
        """`flight` is the one to be joined from now on."""
        self._flights[question] = flight

    def find(self, question: Question) -> Flight | None:
        """The flight that another call with this question may join."""
        flight = self._flights.get(question)
        return flight if flight is not None and self._may_join(flight) else None

    def remove(self, question: Question, flight: Flight) -> None:
        """Forgets `flight`; nothing when another has taken its place."""
        if self._flights.get(question) is flight:
            del self._flights[question]

    def _may_join(self, flight: Flight) -> bool:
        if flight.ring.first_seq > 1 or len(flight.audience.calls) >= self._bounds.max_calls:
            return False
        if flight.is_over:
            return flight.is_whole and self._clock.monotonic() < flight.ended + self._bounds.grace
        return bool(flight.audience.calls) and flight.stopped_by is None
