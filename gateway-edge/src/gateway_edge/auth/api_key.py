"""An API key: its hash, looked up in memory."""

from collections.abc import Mapping

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Arrival, Call
from gateway_edge.tenants import Authority, Principal

BEARER = "bearer"


class ApiKey:
    """`Authorization: Bearer`, `x-api-key` and `api-key`."""

    kind = "an API key"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def are_presented(self, arrival: Arrival) -> bool:
        """Whether there is one. Raises AUTHENTICATION_FAILED for a scheme not known here."""
        return presented_key(arrival.headers) is not None

    async def verify(self, call: Call) -> Principal:
        """Whose key it is."""
        principal = self._authority.find(presented_key(call.arrival.headers) or "")
        if principal is None:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "incorrect API key provided")
        return principal


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries; None when it carries none. Raises AUTHENTICATION_FAILED for a scheme not known here."""
    return bearer_token(headers) or headers.get("x-api-key") or headers.get("api-key") or None


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """What stands behind `Authorization: Bearer`; None without it. Raises AUTHENTICATION_FAILED for another scheme."""
    authorization = headers.get("authorization")
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != BEARER:
        raise RunestoneError(Reason.AUTHENTICATION_FAILED, "the only authorization scheme taken is `Bearer`")
    return token.strip() or None
