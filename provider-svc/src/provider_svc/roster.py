"""The providers and routes of each snapshot that calls may carry, and how they change under running calls.

A new snapshot opens what is new; a provider whose settings are the same keeps its connections. A provider is closed when no
snapshot that is kept has it and the last call that uses it is over.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Self

from chassis.config.catalog import Catalog
from chassis.config.models import Target
from chassis.config.providers import Provider as Configured
from chassis.errors import Reason, RunestoneError
from chassis.snapshots import Snapshot
from provider_svc.pricing.prices import NoPrices, Prices
from provider_svc.provider import Provider
from provider_svc.routing import find_route, find_target, find_target_at
from runestone.common.v1.dialect_pb2 import Dialect

Open = Callable[[Configured], Provider]
OpenPrices = Callable[[Configured], Prices]
Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class Seat:
    """One provider, what it speaks, what its models cost, and how many calls and snapshots hold it."""

    def __init__(self, configured: Configured, provider: Provider, prices: Prices | None = None) -> None:
        self.configured = configured
        self.provider = provider
        self.prices = prices or NoPrices()
        self.dialects = provider.dialects
        self.holders = 0


class Lease:
    """The right to call one target's provider; `release` it when the call is over. `is_strict`: what cannot be carried in
    translation, and may change the answer, is refused."""

    def __init__(self, seat: Seat, target: Target, release: Callable[[Seat], None], *, is_strict: bool = True) -> None:
        self.provider = seat.provider
        self.prices = seat.prices
        self.kind = seat.configured.kind
        self.target = target
        self.is_strict = is_strict
        self._seat = seat
        self._release = release

    def release(self) -> None:
        """The call is over."""
        self._release(self._seat)


@dataclass(frozen=True, slots=True)
class Routes:
    """What one snapshot says: which targets answer for a model, and who they are."""

    catalog: Catalog
    seats: Mapping[str, Seat]


class Roster:
    """Chooses targets and lends their providers. `draw` gives numbers in [0, 1); `spawn` owns closing in the background.
    As a context it closes all of them when it is left. Without `open_prices` nothing has a price."""

    def __init__(
        self, open_provider: Open, spawn: Spawn, draw: Callable[[], float], open_prices: OpenPrices | None = None
    ) -> None:
        self._open = open_provider
        self._open_prices = open_prices
        self._spawn = spawn
        self._draw = draw
        self._all: set[Seat] = set()

    def make(self, snapshot: Snapshot) -> Routes:
        """The routes of a snapshot. Raises what opening a provider raises; nothing is then left open."""
        settings = snapshot.settings
        seats: dict[str, Seat] = {}
        try:
            for configured in settings.providers:
                seats[configured.name] = self._seat(configured)
        except Exception:
            self._release_all(seats)
            raise
        return Routes(Catalog(settings.models, settings.providers), seats)

    def drop(self, routes: Routes) -> None:
        """No call will begin with these routes any more."""
        self._release_all(routes.seats)

    def lend(self, routes: Routes, model: str, dialect: Dialect.ValueType, provider: str = "") -> Lease:
        """A target for the public name `model` that speaks `dialect`, or the one at `provider`. Raises MODEL_NOT_FOUND, NOT_FOUND for an
        unknown provider, or INVALID_REQUEST when there are targets and none speaks it."""

        def speaks(target: Target) -> bool:
            seat = routes.seats.get(target.provider)
            return seat is None or dialect in seat.dialects

        route = find_route(routes.catalog, model)
        if provider:
            _seat_of(routes, provider)
            target = find_target_at(route, model, provider)
        else:
            target = find_target(route, model, self._draw(), speaks)
        seat = routes.seats.get(target.provider)
        if seat is None:
            raise RunestoneError(
                Reason.MODEL_NOT_FOUND, f"the route of {model[:200]!r} names no configured provider", param="model"
            )
        seat.holders += 1
        return Lease(seat, target, self._release, is_strict=route.is_strict)

    def lend_at(self, routes: Routes, provider: str, model: str) -> Lease:
        """The very provider that keeps something which `model`, a public name, once made. Raises NOT_FOUND for an unknown one."""
        seat = _seat_of(routes, provider)
        seat.holders += 1
        return Lease(seat, Target(provider=provider, model=model), self._release)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Closes all providers, whoever holds them."""
        await asyncio.gather(*(seat.provider.close() for seat in self._all))

    def _seat(self, configured: Configured) -> Seat:
        """The provider as it is open now, when its settings are still these; else one that is opened."""
        seat = next((seat for seat in self._all if seat.configured == configured), None)
        if seat is None:
            prices = self._open_prices(configured) if self._open_prices is not None else None
            seat = Seat(configured, self._open(configured), prices)
            self._all.add(seat)
        seat.holders += 1
        return seat

    def _release_all(self, seats: Mapping[str, Seat]) -> None:
        for seat in seats.values():
            self._release(seat)

    def _release(self, seat: Seat) -> None:
        seat.holders -= 1
        if not seat.holders:
            self._all.discard(seat)
            self._spawn(seat.provider.close(), f"close {seat.configured.name}")

    def __repr__(self) -> str:
        return f"Roster({', '.join(f'{seat.configured.name}={seat.holders}' for seat in self._all)})"


def _seat_of(routes: Routes, provider: str) -> Seat:
    seat = routes.seats.get(provider)
    if seat is None:
        message = f"there is no provider {provider[:200]!r} in the configuration, or not any more"
        raise RunestoneError(Reason.NOT_FOUND, message)
    return seat
