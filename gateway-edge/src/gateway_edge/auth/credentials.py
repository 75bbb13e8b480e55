"""What every kind of credentials can do."""

from typing import Protocol

from gateway_edge.call import Arrival, Call
from gateway_edge.callers.tenants import Principal


class Credentials(Protocol):
    """One kind of credentials. `kind` is how refusals call it."""

    kind: str

    def are_presented(self, arrival: Arrival) -> bool:
        """Whether a request carries credentials of this kind, good or bad. No I/O."""

    async def verify(self, call: Call) -> Principal:
        """Who presents them; only where they are presented. May put a check of its own before the reading of the body. Raises
        AUTHENTICATION_FAILED when they are no good, and UNAVAILABLE while that cannot be found out."""
