"""Which target a session is opened at."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from chassis.config.models import Target
from chassis.errors import Reason, RunestoneError
from provider_svc.pricing.prices import NoPrices
from provider_svc.realtime.simulated import SimulatedSocket
from provider_svc.realtime.upstream import Socket, open_socket
from provider_svc.routing.routes import find_route, unspoken
from provider_svc.seats import Routes, Seat
from runestone.common.v1.cost_pb2 import Rates

KINDS = frozenset({"openai", "openai_compatible", "simulated"})
MOST = 3  # targets that are tried for one session

OpenSocket = Callable[[Seat, str, Mapping[str, str]], Awaitable[Socket]]


class Opening(NamedTuple):
    """A socket, whose it is, and how many targets were tried for it."""

    socket: Socket
    target: Target
    rates: Rates | None
    attempt: int


async def open_seat(seat: Seat, model: str, headers: Mapping[str, str]) -> Socket:
    """A socket at one provider. Raises as `open_socket` does."""
    if seat.configured.kind == "simulated":
        return SimulatedSocket(model, seat.configured.simulation)
    return await open_socket(seat.configured, model, headers)


async def open_at_target(
    routes: Routes, model: str, headers: Mapping[str, str], open_one: OpenSocket = open_seat
) -> Opening:
    """Tries the model's targets in an order drawn by their weights, until one opens: nothing was told to anybody before. Raises
    MODEL_NOT_FOUND, INVALID_REQUEST where no target has sessions, and what the last one refused with."""
    targets = _draw([one for one in find_route(routes.catalog, model).targets if _has_sessions(routes, one)])
    failure = unspoken(model)
    for attempt, target in enumerate(targets[:MOST], 1):
        seat = routes.seats[target.provider]
        prices = seat.prices or NoPrices()
        await prices.settle()
        try:
            socket = await open_one(seat, target.model, headers)
        except RunestoneError as error:
            if error.reason is Reason.PROVIDER_REFUSED:  # elsewhere it would be no better
                raise
            failure = error
        else:
            return Opening(socket, target, prices.find(target.model), attempt)
    raise failure


def _has_sessions(routes: Routes, target: Target) -> bool:
    seat = routes.seats.get(target.provider)
    return seat is not None and seat.configured.kind in KINDS and target.weight > 0


def _draw(targets: Sequence[Target]) -> list[Target]:
    """By weight, each as often first as it weighs (Efraimidis and Spirakis, 2006)."""
    return sorted(targets, key=lambda target: random.random() ** (1 / target.weight), reverse=True)  # noqa: S311  spreads load
