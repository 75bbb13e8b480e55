"""Who may call: the snapshot's tenants and keys, indexed so that a key is found by one hash and one look-up."""

from collections.abc import Iterable
from dataclasses import dataclass

from chassis.config import Settings
from chassis.config.schema import Key, Limits, Tenant
from chassis.gcra import Rate
from chassis.keys import hash_key, is_mistyped

MINUTE = 60_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """A request rate that binds a subject: ("tenant", "acme") or ("key", "acme", "ci")."""

    subject: tuple[str, ...]
    rate: Rate
    name: str = "requests_per_minute"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a tenant, by one of its keys, and the request limits that bind them."""

    tenant: str
    key: str
    pipeline: str
    limits: tuple[RequestLimit, ...]


class Authority:
    """All principals of one snapshot by the hash of their key."""

    def __init__(self, tenants: Iterable[Tenant], pepper: str | None = None) -> None:
        self._pepper = pepper
        self._principals = {
            key.hash or hash_key(key.secret.reveal() if key.secret else "", pepper): _principal(tenant, key)
            for tenant in tenants
            for key in tenant.keys
        }

    @classmethod
    def of(cls, settings: Settings) -> "Authority":
        """The authority of a snapshot's settings."""
        pepper = settings.edge.key_pepper
        return cls(settings.tenants, pepper.reveal() if pepper else None)

    def find(self, secret: str) -> Principal | None:
        """Whose key it is; None when nobody's. No I/O; a generated key that is mistyped is not even hashed."""
        if not secret.isascii() or is_mistyped(secret):
            return None
        return self._principals.get(hash_key(secret, self._pepper))


def _principal(tenant: Tenant, key: Key) -> Principal:
    limits = [*_limits(("tenant", tenant.name), tenant.limits), *_limits(("key", tenant.name, key.name), key.limits)]
    return Principal(tenant.name, key.name, tenant.pipeline, tuple(limits))


def _limits(subject: tuple[str, ...], limits: Limits) -> Iterable[RequestLimit]:
    if limits.requests_per_minute is not None:
        yield RequestLimit(subject, per_minute(limits.requests_per_minute))


def per_minute(quantity: int) -> Rate:
    """The rate of `quantity` requests a minute, all of which may come at once."""
    return Rate(quantity=quantity, period=MINUTE, burst=quantity)
