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


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling: a tenant, by one of its keys, and what holds for them. `pipeline` is the tenant's, `key_pipeline` the
    key's own; `choosable` are those that it may choose itself."""

    tenant: str
    key: str
    pipeline: str = "default"
    key_pipeline: str | None = None
    choosable: frozenset[str] = frozenset()
    limits: tuple[RequestLimit, ...] = ()
    is_admin: bool = False
    is_anonymous: bool = False

    def may_choose(self, pipeline: str) -> bool:
        """Whether it may ask for `pipeline`."""
        return self.is_admin or pipeline in self.choosable


ADMIN = Principal(tenant="admin", key="admin", pipeline="admin", is_admin=True)
ANONYMOUS = Principal(tenant="anonymous", key="anonymous", is_anonymous=True)


class Authority:
    """All principals of one snapshot by the hash of their key. `anonymous` is who presents none, where that is allowed."""

    def __init__(
        self,
        tenants: Iterable[Tenant],
        pepper: str | None = None,
        *,
        admin_hash: str | None = None,
        allows_anonymous: bool = False,
    ) -> None:
        self.anonymous = ANONYMOUS if allows_anonymous else None
        self._pepper = pepper
        self._principals = {
            key.hash or hash_key(key.secret.reveal() if key.secret else "", pepper): _principal(tenant, key)
            for tenant in tenants
            for key in tenant.keys
        }
        if admin_hash is not None:
            self._principals[admin_hash] = ADMIN

    @classmethod
    def of(cls, settings: Settings) -> "Authority":
        """The authority of a snapshot's settings."""
        pepper = settings.edge.key_pepper
        return cls(
            settings.tenants,
            pepper.reveal() if pepper else None,
            admin_hash=settings.edge.admin.key_hash,
            allows_anonymous=settings.auth == "none",
        )

    def find(self, secret: str) -> Principal | None:
        """Whose key it is; None when nobody's. No I/O; a generated key that is mistyped is not even hashed."""
        if not secret.isascii() or is_mistyped(secret):
            return None
        return self._principals.get(hash_key(secret, self._pepper))


def _principal(tenant: Tenant, key: Key) -> Principal:
    limits = [*_limits(("tenant", tenant.name), tenant.limits), *_limits(("key", tenant.name, key.name), key.limits)]
    return Principal(
        tenant=tenant.name,
        key=key.name,
        pipeline=tenant.pipeline,
        key_pipeline=key.pipeline,
        choosable=frozenset(key.scopes.pipelines or tenant.scopes.pipelines),
        limits=tuple(limits),
    )


def _limits(subject: tuple[str, ...], limits: Limits) -> Iterable[RequestLimit]:
    if limits.requests_per_minute is not None:
        yield RequestLimit(subject, per_minute(limits.requests_per_minute))


def per_minute(quantity: int) -> Rate:
    """The rate of `quantity` requests a minute, all of which may come at once."""
    return Rate(quantity=quantity, period=MINUTE, burst=quantity)
