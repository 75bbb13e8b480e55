"""Where flights stay that are over: for a moment, or for as long as somebody may come back to a resumable call."""

import asyncio
from collections.abc import Callable

from chassis.clock import Clock
from provider_svc.flight import Flight
from provider_svc.settings import ProviderSettings
from provider_svc.shelf import Shelf


class Shelves:
    """One shelf for what lingers, and one with bounds of its own for resumable calls, so that neither crowds the other out."""

    def __init__(self, bounds: ProviderSettings, clock: Clock, forget: Callable[[Flight], None]) -> None:
        self._linger = bounds.linger
        self._lingering = Shelf(bounds.max_lingering, bounds.max_lingering_bytes, clock, forget)
        self._resumable = Shelf(bounds.max_kept, bounds.max_kept_bytes, clock, forget)
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def __contains__(self, flight: Flight) -> bool:
        return flight in self._lingering or flight in self._resumable

    def put(self, flight: Flight) -> None:
        """Keeps `flight`, which must be over, as long as somebody may come for it."""
        window = flight.resume_window
        shelf = self._resumable if window else self._lingering
        shelf.put(flight, max(window, self._linger))
        self._sweep_later()

    def take(self, flight: Flight) -> None:
        """Takes a flight down, if it is here: it is followed again."""
        self._lingering.take(flight)
        self._resumable.take(flight)

    def expire(self) -> None:
        """Forgets what is too old."""
        self._lingering.expire()
        self._resumable.expire()

    def close(self) -> None:
        """Looks after nothing any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _sweep_later(self) -> None:
        """Frees the memory of what nobody asked for again, also when no further call comes."""
        if self._timer is None and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(self._linger, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self.expire()
        if len(self._lingering) or len(self._resumable):
            self._sweep_later()

    def __repr__(self) -> str:
        return f"Shelves({self._lingering!r}, {self._resumable!r})"
