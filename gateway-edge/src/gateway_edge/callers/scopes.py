"""What a caller may use: models, endpoints, rooms, addresses, and for how long. Prepared once a snapshot, asked once a call.

A tenant's scopes are the outer bound: what a key may use, both allow.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from chassis.config.endpoints import ENDPOINTS
from chassis.config.schema import Scopes
from chassis.errors import Reason, RunestoneError
from chassis.globs import Globs

Network = IPv4Network | IPv6Network

ROOM_ACTIONS = ("listen", "speak", "control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is allowed. `endpoints` are path templates; of `models`, `rooms` and `networks`, every one must allow (none: all do).
    `known_models` are names found allowed beforehand, `room_actions` what may be done in rooms: everybody there listens. `valid_until` in
    seconds since the epoch."""

    endpoints: frozenset[str] = frozenset(ENDPOINTS)
    models: tuple[Globs, ...] = ()
    known_models: frozenset[str] = frozenset()
    networks: tuple[tuple[Network, ...], ...] = ()
    rooms: tuple[Globs, ...] = ()
    room_actions: frozenset[str] = frozenset(ROOM_ACTIONS)
    valid_until: float = math.inf

    @classmethod
    def of(cls, bounds: Sequence[Scopes], model_names: Collection[str] = (), valid_until: float = math.inf) -> "Scope":
        """The scope that all of `bounds` allow; `model_names` are the public names that calls will mostly ask for."""
        models = tuple(Globs(scopes.models) for scopes in bounds if scopes.models)
        return cls(
            endpoints=frozenset(_narrow(ENDPOINTS, (scopes.endpoints for scopes in bounds))),
            models=models,
            known_models=frozenset(_narrow(model_names, (scopes.models for scopes in bounds)))
            if models
            else frozenset(),
            networks=tuple(tuple(map(ip_network, scopes.addresses)) for scopes in bounds if scopes.addresses),
            rooms=tuple(Globs(scopes.rooms) for scopes in bounds if scopes.rooms),
            room_actions=frozenset(("listen", *_narrow(ROOM_ACTIONS, (scopes.room_actions for scopes in bounds)))),
            valid_until=valid_until,
        )

    def check(self, endpoint: str, address: str, now: float) -> None:
        """Raises AUTHENTICATION_FAILED for one that has expired, PERMISSION_DENIED for another endpoint or address."""
        if now >= self.valid_until:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "this API key has expired", code="expired_api_key")
        if self.networks and not self._allows_address(address):
            message = "this API key may not be used from your address"
            raise RunestoneError(Reason.PERMISSION_DENIED, message, code="address_not_allowed")
        if endpoint not in self.endpoints:
            message = f"this API key may not use {endpoint}"
            raise RunestoneError(Reason.PERMISSION_DENIED, message, code="endpoint_not_allowed")

    def allows_model(self, name: str) -> bool:
        """Whether the public model name `name` may be asked for; whether there is such a model is another question."""
        return not self.models or name in self.known_models or all(name in globs for globs in self.models)

    def check_room(self, name: str) -> None:
        """Raises PERMISSION_DENIED for a room that may not be joined; whether somebody is in it is not said."""
        if not all(name in globs for globs in self.rooms):
            message = "this API key may not join that room"
            raise RunestoneError(Reason.PERMISSION_DENIED, message, code="room_not_allowed")

    def check_room_action(self, action: str) -> None:
        """Raises PERMISSION_DENIED for what may not be done in rooms."""
        if action not in self.room_actions:
            message = f"this API key may not {action} in rooms"
            raise RunestoneError(Reason.PERMISSION_DENIED, message, code="room_action_not_allowed")

    def _allows_address(self, text: str) -> bool:
        address = _read_address(text)
        return address is not None and all(any(address in net for net in nets) for nets in self.networks)


UNBOUNDED = Scope()


def _narrow(names: Iterable[str], bounds: Iterable[Sequence[str]]) -> Iterable[str]:
    """Of `names` those that every pattern list allows; an empty list allows all."""
    for patterns in bounds:
        globs = Globs(patterns)
        names = [name for name in names if not patterns or name in globs]
    return names


@lru_cache(maxsize=4096)
def _read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IPv4 address that came over an IPv6 socket (RFC 4291, 2.5.5.2) is the IPv4 address. None for what is no address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
