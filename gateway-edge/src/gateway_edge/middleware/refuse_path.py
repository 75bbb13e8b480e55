"""Paths that nobody knows: 404 in the shape that SDKs read."""

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed


class RefusePath:
    """Refuses every call that reaches it."""

    name = "refuse_path"

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  the last of its pipeline
        """Raises ROUTE_NOT_FOUND."""
        raise RunestoneError(Reason.ROUTE_NOT_FOUND, f"unknown request URL or method: {call.arrival.endpoint}")
