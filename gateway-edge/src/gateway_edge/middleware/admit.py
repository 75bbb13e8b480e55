"""Whether there is room for one more call of this caller, before anything of its body is read."""

from chassis.clock import Clock
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed
from gateway_edge.protection.call_bounds import CallBounds


class Admit:
    """Keeps calls within `edge.protection`. Who is nobody is not counted: he is refused in microseconds."""

    name = "admit"

    def __init__(self, bounds: CallBounds, clock: Clock) -> None:
        self._bounds = bounds
        self._clock = clock

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Admits or raises RATE_LIMITED, OVERLOADED."""
        principal, arrival = call.principal, call.arrival
        if principal is None:
            await proceed(call)
            return
        self._bounds.enter(principal, arrival, call.settings.edge.protection)
        try:
            await proceed(call)
        finally:
            self._bounds.leave(principal, arrival, self._clock.monotonic() - arrival.received_at)
