"""Who is calling: the key's hash, looked up in memory."""

from collections.abc import Mapping

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed
from gateway_edge.tenants import Authority


class Authenticate:
    """Finds the principal or refuses with 401. Accepts `Authorization: Bearer`, `x-api-key` and `api-key`."""

    name = "authenticate"

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Sets `call.principal`."""
        call.principal = self._authority.find(presented_key(call.arrival.headers))
        if call.principal is None:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "incorrect API key provided")
        await proceed(call)


def presented_key(headers: Mapping[str, str]) -> str:
    """The key that a request carries. Raises AUTHENTICATION_FAILED when it carries none."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and (secret := credentials.strip()):
        return secret
    for header in ("x-api-key", "api-key"):
        if secret := headers.get(header, ""):
            return secret
    raise RunestoneError(
        Reason.AUTHENTICATION_FAILED,
        "you did not provide an API key; send it as `Authorization: Bearer <key>`",
    )
