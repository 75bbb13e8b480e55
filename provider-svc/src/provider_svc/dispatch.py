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
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.journey import Journey
from provider_svc.attempts.leg import Leg
from provider_svc.attempts.stack import stack
from provider_svc.attempts.stop import Stop
from provider_svc.health.book import HealthBook
from provider_svc.health.target import TargetHealth
from provider_svc.roster import Roster
from provider_svc.routing import (
    Explanation,
    Needs,
    Ranking,
    explain,
    find_route,
    find_target_at,
    needs_matter,
    rank,
    read_needs,
    read_unit,
)
from provider_svc.seats import Routes
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
        attempts: list[Attempt] = []
        if provider:
            route, leg = self._name(routes, ask, model, provider, attempts)
            more: Iterator[Leg] = iter(())
        else:
            route = find_route(routes.catalog, model)
            if route.entry.fallbacks:
                more = self._legs(routes, ask, route, attempts)
                leg = next(more)
            else:
                leg, more = self._leg(routes, ask, route, attempts), iter(())
        self._roster.board(routes)
        return self._stack(routes, route), Journey(ask, attempts, leg, more, partial(self._roster.leave, routes))

    def rank(self, routes: Routes, ask: Ask, route: Route) -> Ranking[Stop]:
        """The targets of a route in the order in which they are asked now. Raises as `plan` does."""
        stops, (needs, unit) = self.list_stops(routes, ask, route), _read(ask, route)
        return rank(route, stops, needs, unit, self._draw, self._clock.monotonic())

    def explain(self, routes: Routes, ask: Ask, model: str) -> list[Explained]:
        """Where `ask`, as a call of the public name `model`, would go now, and why: its route, then the fallbacks. Nothing is asked, and no
        health changes. Raises MODEL_NOT_FOUND."""
        route = find_route(routes.catalog, model)
        return [self._explain(routes, ask, one) for one, _ in ((route, ""), *self._fallbacks(routes, route))]

    def list_stops(self, routes: Routes, ask: Ask, route: Route) -> Sequence[Stop]:
        """The targets of a route, in the configuration's order. Those of a name of the configuration are found once."""
        if route.targets is not routes.stops.get((route.name, ask.dialect), ((), ()))[0]:
            stops = [self._stop(routes, ask, route, target, self._book.of) for target in route.targets]
            routes.stops[route.name, ask.dialect] = (route.targets, stops)
        return routes.stops[route.name, ask.dialect][1]

    def _explain(self, routes: Routes, ask: Ask, route: Route) -> Explained:
        stops = [self._stop(routes, ask, route, target, self._book.look_at) for target in route.targets]
        needs, unit = _read(ask, route)
        return Explained(route, explain(route, stops, needs, unit, self._draw, self._clock.monotonic()))

    def _leg(self, routes: Routes, ask: Ask, route: Route, attempts: Sequence[Attempt], why: str = "") -> Leg:
        choices = self.rank(routes, ask, route).choices
        stops = [choice.candidate for choice in choices]
        return Leg(route.name, stops, why or choices[0].why, attempts, self._draw, is_strict=route.is_strict)

    def _legs(self, routes: Routes, ask: Ask, route: Route, attempts: Sequence[Attempt]) -> Iterator[Leg]:
        """The route's, then its fallbacks', each made when it is needed; those that cannot answer such a call are passed over. Raises when
        none can what the first says."""
        refusal: RunestoneError | None = None
        is_first = True
        for one, why in ((route, ""), *self._fallbacks(routes, route)):
            try:
                leg = self._leg(routes, ask, one, attempts, why)
            except RunestoneError as error:
                refusal = refusal or error
                continue
            yield leg
            is_first = False
        if refusal is not None and is_first:
            raise refusal

    @staticmethod
    def _fallbacks(routes: Routes, route: Route) -> list[tuple[Route, str]]:
        found = (routes.catalog.find_route(name) for name in route.entry.fallbacks)
        return [(one, FALLBACK) for one in found if one is not None]

    def _name(
        self, routes: Routes, ask: Ask, model: str, provider: str, attempts: Sequence[Attempt]
    ) -> tuple[Route, Leg]:
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
        stop = self._stop(routes, ask, route, target, self._book.of)
        return route, Leg(route.name, [stop], NAMED, attempts, self._draw, is_strict=route.is_strict)

    @staticmethod
    def _stop(routes: Routes, ask: Ask, route: Route, target: Target, find: Find) -> Stop:
        seat = routes.seats.get(target.provider)
        if seat is None:
            message = f"the configuration has no provider {target.provider!r}"
            raise RunestoneError(Reason.MODEL_NOT_FOUND, message, param="model")
        return Stop(
            target=target,
            health=find(seat.configured, target.model),
            speaks=ask.dialect in seat.dialects,
            find_rates=partial(seat.prices.find, target.model),
            seat=seat,
            label=_label(route, target),
        )

    def _stack(self, routes: Routes, route: Route) -> Asking:
        """What stands around a route, the same for all its calls under one snapshot. What is kept is asked for as no entry says."""
        name = (route.name, route.entry.name)
        asking = routes.stacks.get(name)
        if asking is None:
            asking = routes.stacks[name] = stack(route.entry, self._telemetry, self._clock)
        return asking


def _read(ask: Ask, route: Route) -> tuple[Needs | None, bytes]:
    """What the call needs, where that matters, and what sticks of it."""
    needs = read_needs(ask.members) if needs_matter(route) else None
    is_sticky = route.entry.strategy == "sticky"
    return needs, read_unit(ask.tenant, ask.members, route.entry.sticky_by) if is_sticky else b""


def _label(route: Route, target: Target) -> str:
    """The target's model as the configuration has it; `*` for what clients name."""
    return target.model if any(target is one for one in route.entry.targets) else "*"
