"""Calls that run when their key is revoked: `edge.end_revoked_streams` ends them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from chassis.errors import Reason, RunestoneError
from chassis.snapshots import Editions, Snapshot
from gateway_edge.auth.bearer import bearer_of
from gateway_edge.call import Call
from gateway_edge.door.ways import Ways
from gateway_edge.policy import Policy

EndWhere = Callable[[Callable[[Call], bool], RunestoneError], None]


class Revocation:
    """Called with each snapshot that has come into force; ends the calls that it revokes, where it says so."""

    def __init__(self, ways: Editions[Ways], end_where: EndWhere) -> None:
        self._ways = ways
        self._end_where = end_where
        self._before = ways.current.policy

    def __call__(self, _snapshot: Snapshot) -> None:
        """Every call was good under the policy before, or was ended when that came."""
        before, after = self._before, self._ways.current.policy
        self._before = after
        if after.settings.edge.end_revoked_streams:
            error = RunestoneError(Reason.AUTHENTICATION_FAILED, "the API key was revoked", code="revoked_api_key")
            self._end_where(Change(before, after).revokes, error)


class Change:
    """What one policy takes away that the one before it gave."""

    def __init__(self, before: Policy, after: Policy) -> None:
        self._before = before.authority
        self._after = after.authority
        self._tenants = {tenant.name for tenant in after.settings.tenants}

    def revokes(self, call: Call) -> bool:
        """Whether the call's tenant is gone, or its API key means nobody any more. Other credentials stand as long as their
        tenant does."""
        principal = call.principal
        if principal is None or principal.is_anonymous:
            return False
        if not principal.is_admin and principal.tenant not in self._tenants:
            return True
        keys = presented_keys(call.arrival.headers)
        return any(self._before.find(key) is not None and self._after.find(key) is None for key in keys)


def presented_keys(headers: Mapping[str, str]) -> Iterator[str]:
    """Whatever may be the API key of a request; of a call that runs at most one means somebody."""
    with suppress(RunestoneError):  # credentials of another kind
        yield bearer_of(headers) or ""
    yield headers.get("x-api-key", "")
    yield headers.get("api-key", "")
