"""The providers and routes of each snapshot that calls may carry, and how they change under running calls.

A new snapshot opens what is new; a provider whose settings are the same keeps its connections. A provider is closed when no
snapshot that is kept has it and the last call that may still ask it is over.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Self

from chassis.config.catalog import Catalog
from chassis.config.providers import Provider as Configured
from chassis.snapshots import Snapshot
from provider_svc.pricing.prices import Prices
from provider_svc.provider import Provider
from provider_svc.seats import Routes, Seat

Open = Callable[[Configured], Provider]
OpenPrices = Callable[[Configured], Prices]
Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class Roster:
    """Opens providers and closes them. `spawn` owns closing in the background. As a context it closes all of them when it is left.
    Without `open_prices` nothing has a price."""

    def __init__(self, open_provider: Open, spawn: Spawn, open_prices: OpenPrices | None = None) -> None:
        self._open = open_provider
        self._open_prices = open_prices
        self._spawn = spawn
        self._all: set[Seat] = set()

    def make(self, snapshot: Snapshot) -> Routes:
        """The routes of a snapshot. Raises what opening a provider raises; nothing is then left open."""
        settings = snapshot.settings
        seats: dict[str, Seat] = {}
        try:
            for configured in settings.providers:
                seats[configured.name] = self._seat(configured)
        except Exception:
            self._release(seats)
            raise
        return Routes(Catalog(settings.models, settings.providers), seats)

    def drop(self, routes: Routes) -> None:
        """No call will begin with these routes any more."""
        routes.is_dropped = True
        if not routes.calls:
            self._release(routes.seats)

    def board(self, routes: Routes) -> None:
        """A call begins with these routes: none of their providers is closed before `leave`."""
        routes.calls += 1

    def leave(self, routes: Routes) -> None:
        """That call is over."""
        routes.calls -= 1
        if routes.is_dropped and not routes.calls:
            self._release(routes.seats)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Closes all providers, whoever holds them."""
        await asyncio.gather(*(seat.provider.close() for seat in self._all))

    @property
    def seats(self) -> list[Seat]:
        """All providers that are open."""
        return list(self._all)

    def _seat(self, configured: Configured) -> Seat:
        """The provider as it is open now, when its settings are still these; else one that is opened."""
        seat = next((seat for seat in self._all if seat.configured == configured), None)
        if seat is None:
            prices = self._open_prices(configured) if self._open_prices is not None else None
            seat = Seat(configured, self._open(configured), prices)
            self._all.add(seat)
        seat.holders += 1
        return seat

    def _release(self, seats: Mapping[str, Seat]) -> None:
        for seat in seats.values():
            seat.holders -= 1
            if not seat.holders:
                self._all.discard(seat)
                self._spawn(seat.provider.close(), f"close {seat.configured.name}")

    def __repr__(self) -> str:
        return f"Roster({', '.join(f'{seat.configured.name}={seat.holders}' for seat in self._all)})"
