"""From what a call asks to the ways that it may take: which routes, their targets in order, and what stands around them."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from chassis.clock import Clock
from chassis.config.catalog import Route
from chassis.config.models import Target
from chassis.config.providers import Provider as Configured
from chassis.errors import Reason, RunestoneError
from provider_svc.attempts.ask import Ask
from provider_svc.attempts.asking import Asking
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.leg import Leg, Stop
from provider_svc.attempts.stack import stack
from provider_svc.health import HealthBook, TargetHealth
from provider_svc.roster import Roster
from provider_svc.routing import (
    Candidate,
    Explanation,
    Needs,
    explain,
    find_route,
    find_target_at,
    needs_matter,
    rank,
    read_needs,
    read_unit,
)
from provider_svc.seats import Routes, Seat
from provider_svc.telemetry import Telemetry

NAMED, FALLBACK = "named", "fallback"

Find = Callable[[Configured, str], TargetHealth]


class Explained(NamedTuple):
    """One of the routes that a call may take, and its targets in their order, those last that would not be asked."""

    route: Route
    targets: Sequence[Explanation]


class Dispatch:
    """Plans journeys. `draw` gives numbers in [0, 1)."""

    def __init__(
        self, roster: Roster, book: HealthBook, telemetry: Telemetry, clock: Clock, draw: Callable[[], float]
    ) -> None:
        self._roster = roster
        self._book = book
        self._telemetry = telemetry
        self._clock = clock
        self._draw = draw

    def plan(self, routes: Routes, ask: Ask, model: str, provider: str = "") -> tuple[Asking, Journey]:
        """How to answer `ask` as a call of the public name `model`, at any of its targets or the one at `provider`.

        Raises MODEL_NOT_FOUND, NOT_FOUND for an unknown provider, or INVALID_REQUEST when there are targets and none can answer such a
        call.
        """
        if provider:
            route, legs = self._name(routes, ask, model, provider)
        else:
            route = find_route(routes.catalog, model)
            legs = self._legs(routes, ask, route)
        journey = Journey(ask, legs, partial(self._roster.leave, routes))
        self._roster.board(routes)
        return self._stack(routes, route), journey

    def list_stops(self, routes: Routes, ask: Ask, route: Route) -> list[Stop]:
        """The targets of a route in the order in which they are asked now. Raises as `plan` does."""
        weighed = self._weigh(routes, ask, route, self._book.of)
        ranking = rank(route, *weighed, self._draw, self._clock.monotonic())
        return [self._stop(routes, route, choice.target, choice.why) for choice in ranking.choices]

    def explain(self, routes: Routes, ask: Ask, model: str) -> list[Explained]:
        """Where `ask`, as a call of the public name `model`, would go now, and why: its route, then the fallbacks. Nothing is asked, and no
        health changes. Raises MODEL_NOT_FOUND."""
        route = find_route(routes.catalog, model)
        now = self._clock.monotonic()
        return [
            Explained(one, explain(one, *self._weigh(routes, ask, one, self._book.look_at), self._draw, now))
            for one, _ in ((route, ""), *self._fallbacks(routes, route))
        ]

    def _weigh(
        self, routes: Routes, ask: Ask, route: Route, find: Find
    ) -> tuple[Sequence[Candidate], Needs | None, bytes]:
        """What a route's order depends on: its candidates, what the call needs, and what sticks."""
        candidates = [self._candidate(routes, target, ask, find) for target in route.targets]
        needs = read_needs(ask.members) if needs_matter(route) else None
        is_sticky = route.entry.strategy == "sticky"
        unit = read_unit(ask.tenant, ask.members, route.entry.sticky_by) if is_sticky else b""
        return candidates, needs, unit

    def _legs(self, routes: Routes, ask: Ask, route: Route) -> Iterator[Leg]:
        """One a route that can answer at all, made when it is asked for. Raises at the first what `plan` raises."""
        refusal: RunestoneError | None = None
        for one, why in ((route, ""), *self._fallbacks(routes, route)):
            try:
                stops = self.list_stops(routes, ask, one)
            except RunestoneError as error:
                refusal = refusal or error
                continue
            yield Leg(one.name, stops, self._draw, is_strict=one.is_strict, why=why)
            refusal = None
        if refusal is not None:
            raise refusal

    @staticmethod
    def _fallbacks(routes: Routes, route: Route) -> list[tuple[Route, str]]:
        found = (routes.catalog.find_route(name) for name in route.entry.fallbacks)
        return [(one, FALLBACK) for one in found if one is not None]

    def _name(self, routes: Routes, ask: Ask, model: str, provider: str) -> tuple[Route, Iterator[Leg]]:
        """The one target at a provider; where something is kept there, whatever the routes say of its model."""
        if provider not in routes.seats:
            message = f"there is no provider {provider[:200]!r} in the configuration, or not any more"
            raise RunestoneError(Reason.NOT_FOUND, message)
        if ask.kept is not None:
            target = Target(provider=provider, model=model)
            route = Route(f"{provider}/*", (target,))
        else:
            route = find_route(routes.catalog, model)
            target = find_target_at(route, model, provider)
        stop = self._stop(routes, route, target, NAMED)
        return route, iter([Leg(route.name, [stop], self._draw, is_strict=route.is_strict)])

    @staticmethod
    def _candidate(routes: Routes, target: Target, ask: Ask, find: Find) -> Candidate:
        seat = _seat_of(routes, target)
        return Candidate(
            target=target,
            health=find(seat.configured, target.model),
            speaks=ask.dialect in seat.dialects,
            find_rates=partial(seat.prices.find, target.model),
        )

    def _stop(self, routes: Routes, route: Route, target: Target, why: str) -> Stop:
        seat = _seat_of(routes, target)
        health = self._book.of(seat.configured, target.model)
        return Stop(target, seat, health, why, label=_label(route, target))

    def _stack(self, routes: Routes, route: Route) -> Asking:
        """What stands around a route, the same for all its calls under one snapshot."""
        asking = routes.stacks.get(route.name)
        if asking is None:
            asking = routes.stacks[route.name] = stack(route.entry, self._telemetry, self._clock)
        return asking


def _seat_of(routes: Routes, target: Target) -> Seat:
    seat = routes.seats.get(target.provider)
    if seat is None:
        message = f"the configuration has no provider {target.provider!r}"
        raise RunestoneError(Reason.MODEL_NOT_FOUND, message, param="model")
    return seat


def _label(route: Route, target: Target) -> str:
    """The target's model as the configuration has it; `*` for what clients name."""
    is_configured = any(target is one for one in route.entry.targets)
    return target.model if is_configured else "*"
