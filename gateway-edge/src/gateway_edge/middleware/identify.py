"""Who is calling: whose credentials a call carries."""

from collections.abc import Sequence

from gateway_edge.auth.credentials import Credentials
from gateway_edge.auth.refusal import AMBIGUOUS, refusal
from gateway_edge.call import Arrival, Call
from gateway_edge.callers.tenants import Principal
from gateway_edge.middleware.base import Proceed


class Identify:
    """Finds out who presents the credentials of a call, before its pipeline is chosen. Who presents none is nobody, or with
    `auth: none` the tenant `anonymous`; what is presented and wrong or has expired is refused with 401 everywhere, and so are
    credentials of two kinds: two readers could take them for two callers. What is used elsewhere than its scopes allow is
    refused with 403."""

    name = "identify"

    def __init__(self, kinds: Sequence[Credentials], anonymous: Principal | None) -> None:
        self._kinds = kinds
        self._anonymous = anonymous

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Sets `call.principal`; it stands on record also where its scopes refuse the call."""
        arrival = call.arrival
        presented = self._find_kind(arrival)
        call.principal = self._anonymous if presented is None else await presented.verify(call)
        if call.principal is not None:
            call.principal.scope.check(arrival.template, arrival.client_address, arrival.started_at)
        await proceed(call)

    def _find_kind(self, arrival: Arrival) -> Credentials | None:
        found: Credentials | None = None
        for kind in self._kinds:
            if kind.are_presented(arrival):
                if found is not None:
                    message = f"the request carries {found.kind} and {kind.kind}; send one of them"
                    raise refusal(AMBIGUOUS, message)
                found = kind
        return found
