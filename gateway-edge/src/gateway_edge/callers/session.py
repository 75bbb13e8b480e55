"""Whose a connection is that carries many calls: found out once, and found again under each snapshot."""

from collections.abc import Mapping
from dataclasses import replace

from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.bearer import looks_like_token
from gateway_edge.callers.revocation import presented_keys
from gateway_edge.callers.tenants import Authority, Principal
from gateway_edge.policy import Policy


class Session:
    """The caller of an open connection, who was found by the credentials in `headers` when it was opened. `client_address` is where it
    comes from."""

    __slots__ = ("_principal", "_version", "client_address", "headers")

    def __init__(self, principal: Principal, headers: Mapping[str, str], client_address: str, version: str) -> None:
        self._principal = principal
        self._version = version
        self.headers = headers
        self.client_address = client_address

    @property
    def tenant(self) -> str:
        """Whose it is; stays the same."""
        return self._principal.tenant

    def find(self, policy: Policy) -> Principal:
        """Who that is under `policy`. Raises AUTHENTICATION_FAILED when the key, or the tenant, is no more."""
        if self._version != policy.version:
            self._principal, self._version = self._find(policy.authority), policy.version
        return self._principal

    def _find(self, authority: Authority) -> Principal:
        before = self._principal
        if before.is_anonymous:
            found = authority.anonymous
        else:
            found = next(filter(None, map(authority.find, presented_keys(self.headers))), None)
            found = found or self._find_member(authority)
        if found is None or found.tenant != before.tenant:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "the API key was revoked", code="revoked_api_key")
        return found

    def _find_member(self, authority: Authority) -> Principal | None:
        """Who presented other credentials than a key: good until they were to end."""
        if any(key and not looks_like_token(key) for key in presented_keys(self.headers)):
            return None
        before = self._principal
        found = authority.member(before.tenant, before.key)
        if found is None:
            return None
        until = min(before.scope.valid_until, found.scope.valid_until)
        return replace(found, scope=replace(found.scope, valid_until=until))

    def __repr__(self) -> str:
        return f"Session({self._principal.tenant}/{self._principal.key})"
