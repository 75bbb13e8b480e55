"""Who may call which rpc: one table, and what the configuration adds. What stands in neither is refused. Pure.

The table follows the topology: a service may call what it is built to call, and no more. `operator` is who runs `runestone`'s
commands, `envoy` the proxy in front.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from chassis.globs import Globs
from chassis.mesh_security.identity import shorten

_INTROSPECTION = "/runestone.introspection.v1.IntrospectionService/*"
_CACHE = "/runestone.cache.v1.CacheService/"
_AUDIT = "/runestone.audit.v1.AuditService/"
_STREAM = "/runestone.stream.v1.StreamService/"

# By the callee, then by the caller. The edge brings the operators' port along when it runs on its own: it may do for an operator
# what that port offers.
MAY_CALL: dict[str, dict[str, tuple[str, ...]]] = {
    "cache": {
        "edge": (
            f"{_CACHE}*",
            "/runestone.state.v1.StateService/*",
            "/runestone.room.v1.RoomService/*",
            f"{_STREAM}Read",
        ),
        "provider": (f"{_STREAM}*", "/runestone.hint.v1.HintService/*"),
        "operator": (f"{_CACHE}GetStatistics", f"{_CACHE}Purge", f"{_CACHE}Shred", _INTROSPECTION),
    },
    "ratelimit": {
        "edge": ("/runestone.ratelimit.v1.RateLimitService/*",),
        "envoy": ("/envoy.service.ratelimit.v3.RateLimitService/*",),
        "operator": (_INTROSPECTION,),
    },
    "provider": {
        "edge": (
            "/runestone.provider.v1.ProviderService/*",
            "/runestone.realtime.v1.RealtimeService/*",
            "/runestone.target.v1.TargetService/*",
        ),
        "operator": ("/runestone.target.v1.TargetService/*", _INTROSPECTION),
    },
    "audit": {
        "edge": (f"{_AUDIT}Append",),
        "operator": (f"{_AUDIT}Search", _INTROSPECTION),
    },
    "edge": {"operator": (_INTROSPECTION,)},
}


class Caller(Protocol):
    """Somebody whom the configuration lets in: `MeshCaller`."""

    @property
    def name(self) -> str:
        """A service's name, or a whole SPIFFE ID."""

    @property
    def may(self) -> Sequence[str]:
        """The rpcs, as globs."""


class Access:
    """What each identity may call on `service`."""

    def __init__(self, service: str, trust_domain: str, callers: Iterable[Caller] = ()) -> None:
        self.service = service
        rules: dict[str, list[str]] = {name: list(rpcs) for name, rpcs in MAY_CALL.get(service, {}).items()}
        for caller in callers:
            rules.setdefault(shorten(caller.name, trust_domain), []).extend(caller.may)
        self._rules: Mapping[str, Globs] = {name: Globs(rpcs) for name, rpcs in rules.items()}

    def may_call(self, identity: str, method: str) -> bool:
        """Whether who is `identity` ("": nobody) may call `/package.Service/Method`."""
        rules = self._rules.get(identity) if identity else None
        return rules is not None and method in rules

    def knows(self, identity: str) -> bool:
        """Whether there is anything that it may call."""
        return identity in self._rules

    def __repr__(self) -> str:
        return f"Access({self.service}: {', '.join(self._rules)})"
