"""Who is calling: the key's hash, looked up in memory."""

from collections.abc import Mapping

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed
from gateway_edge.tenants import Authority


class Identify:
    """Finds out who presents the credentials of a call, before its pipeline is chosen. Who presents none is nobody, or with
    `auth: none` the tenant `anonymous`; what is presented and wrong is refused with 401 everywhere."""

    name = "identify"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Sets `call.principal`. Accepts `Authorization: Bearer`, `x-api-key` and `api-key`."""
        secret = presented_key(call.arrival.headers)
        call.principal = self._authority.anonymous if secret is None else self._authority.find(secret)
        if secret is not None and call.principal is None:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "incorrect API key provided")
        await proceed(call)


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries; None when it carries none. Raises AUTHENTICATION_FAILED for a scheme not known here."""
    authorization = headers.get("authorization")
    if authorization:
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "the only authorization scheme taken is `Bearer`")
        return credentials.strip() or None
    return headers.get("x-api-key") or headers.get("api-key") or None
