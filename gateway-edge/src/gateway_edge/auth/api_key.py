"""An API key: its hash, looked up in memory."""

from collections.abc import Mapping

from gateway_edge.auth.bearer import bearer_of, looks_like_token
from gateway_edge.auth.refusal import AMBIGUOUS, KEY, refusal
from gateway_edge.call import Arrival, Call
from gateway_edge.callers.tenants import Authority, Principal


class ApiKey:
    """`Authorization: Bearer`, `x-api-key` and `api-key`. With `leaves_tokens`, a bearer's token is no key."""

    kind = "an API key"

    def __init__(self, authority: Authority, *, leaves_tokens: bool = False) -> None:
        self._authority = authority
        self._leaves_tokens = leaves_tokens

    def are_presented(self, arrival: Arrival) -> bool:
        """Whether there is one. Raises AUTHENTICATION_FAILED for a scheme not known here."""
        return self._find_key(arrival.headers) is not None

    async def verify(self, call: Call) -> Principal:
        """Whose key it is."""
        principal = self._authority.find(self._find_key(call.arrival.headers) or "")
        if principal is None:
            raise refusal(KEY, "incorrect API key provided")
        return principal

    def _find_key(self, headers: Mapping[str, str]) -> str | None:
        """Raises AUTHENTICATION_FAILED for keys that differ: somebody else might read the other."""
        bearer = bearer_of(headers)
        if self._leaves_tokens and bearer is not None and looks_like_token(bearer):
            bearer = None
        keys = {key for key in (bearer, headers.get("x-api-key"), headers.get("api-key")) if key}
        if len(keys) > 1:
            raise refusal(AMBIGUOUS, "different API keys in one request")
        return keys.pop() if keys else None
