"""The providers of the snapshot in force, and how they change under running calls.

A new snapshot opens what is new and retires what is gone or changed; a retired provider is closed when the last call
that uses it is over. A provider whose settings are the same keeps its connections.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

from chassis.config.catalog import Catalog
from chassis.config.schema import Provider as Configured
from chassis.config.schema import Target
from chassis.errors import Reason, RunestoneError
from chassis.snapshots import Snapshot
from provider_svc.provider import Provider
from provider_svc.routing import find_target

Open = Callable[[Configured], Provider]
Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class Seat:
    """One provider, and how many calls hold it."""

    def __init__(self, configured: Configured, provider: Provider) -> None:
        self.configured = configured
        self.provider = provider
        self.holders = 0


class Lease:
    """The right to call one target's provider; `release` it when the call is over."""

    def __init__(self, seat: Seat, target: Target, release: Callable[[Seat], None]) -> None:
        self.provider = seat.provider
        self.kind = seat.configured.kind
        self.target = target
        self._seat = seat
        self._release = release

    def release(self) -> None:
        """The call is over."""
        self._release(self._seat)


class Roster:
    """Chooses targets and lends their providers. `draw` gives numbers in [0, 1); `spawn` owns closing in the background.
    As a context it closes all of them when it is left."""

    def __init__(self, open_provider: Open, spawn: Spawn, draw: Callable[[], float]) -> None:
        self._open = open_provider
        self._spawn = spawn
        self._draw = draw
        self._catalog = Catalog([], [])
        self._seats: dict[str, Seat] = {}
        self._retired: set[Seat] = set()

    def follow(self, snapshot: Snapshot) -> None:
        """Puts a snapshot's providers and models in force; running calls keep theirs."""
        settings = snapshot.settings
        before, self._seats = self._seats, {}
        for configured in settings.providers:
            seat = before.get(configured.name)
            if seat is not None and seat.configured == configured:
                self._seats[configured.name] = before.pop(configured.name)
            else:
                self._seats[configured.name] = Seat(configured, self._open(configured))
        self._catalog = Catalog(settings.models, settings.providers)
        for seat in before.values():
            self._retired.add(seat)
            self._close_if_idle(seat)

    def lend(self, model: str) -> Lease:
        """A target for the public name `model`. Raises MODEL_NOT_FOUND."""
        target = find_target(self._catalog, model, self._draw())
        seat = self._seats.get(target.provider)
        if seat is None:
            raise RunestoneError(
                Reason.MODEL_NOT_FOUND, f"the route of {model[:200]!r} names no configured provider", param="model"
            )
        seat.holders += 1
        return Lease(seat, target, self._take_back)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Closes all providers, retired ones too."""
        seats = [*self._seats.values(), *self._retired]
        await asyncio.gather(*(seat.provider.close() for seat in seats))

    def _take_back(self, seat: Seat) -> None:
        seat.holders -= 1
        self._close_if_idle(seat)

    def _close_if_idle(self, seat: Seat) -> None:
        if seat in self._retired and not seat.holders:
            self._spawn(self._close(seat), f"close {seat.configured.name}")

    async def _close(self, seat: Seat) -> None:
        await seat.provider.close()
        self._retired.discard(seat)

    def __repr__(self) -> str:
        return f"Roster({', '.join(f'{name}={seat.holders}' for name, seat in self._seats.items())})"
