"""Who may call: the snapshot's tenants and keys, indexed so that a key is found by one hash and one look-up."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from msgspec.json import encode

from chassis.config import Secret, Settings
from chassis.config.schema import Key, Tenant
from chassis.keys import HASH_PREFIX, hash_key, is_mistyped
from gateway_edge.callers.scopes import UNBOUNDED, Scope
from gateway_edge.limits.limit import PartialLimit, RequestLimit, partial_limits, whole_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling: a tenant, by one of its keys, and what holds for them. `pipeline` is the tenant's, `key_pipeline` the
    key's own; `choosable` are those that it may choose itself. `metadata` is the tenant's and the key's, for middleware.
    Under load the lowest `priority` (0 to 9) is shed first."""

    tenant: str
    key: str
    pipeline: str = "default"
    key_pipeline: str | None = None
    choosable: frozenset[str] = frozenset()
    scope: Scope = UNBOUNDED
    limits: tuple[RequestLimit, ...] = ()
    partial_limits: tuple[PartialLimit, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    priority: int = 5
    is_admin: bool = False
    is_anonymous: bool = False

    def may_choose(self, pipeline: str) -> bool:
        """Whether it may ask for `pipeline`."""
        return self.is_admin or pipeline in self.choosable

    def limits_for(self, endpoint: str, model: str) -> tuple[RequestLimit, ...]:
        """All limits that count a call of the public model name `model` to the path template `endpoint`."""
        if not self.partial_limits:
            return self.limits
        return (*self.limits, *(part.limit for part in self.partial_limits if part.binds(endpoint, model)))


ADMIN = Principal(tenant="admin", key="admin", pipeline="admin", priority=9, is_admin=True)
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
        model_names: Collection[str] = (),
    ) -> None:
        self.anonymous = ANONYMOUS if allows_anonymous else None
        self._pepper = pepper
        self._tenants = {tenant.name: tenant for tenant in tenants}
        self._model_names = model_names
        self._principals: dict[str, Principal] = {}
        for tenant in self._tenants.values():
            self._enrol(tenant, model_names)
        if admin_hash is not None:
            self._principals[admin_hash] = ADMIN
        self._known = frozenset(map(id, self._principals.values()))

    @classmethod
    def of(cls, settings: Settings) -> "Authority":
        """The authority of a snapshot's settings."""
        pepper = settings.edge.key_pepper
        return cls(
            settings.tenants,
            pepper.reveal() if pepper else None,
            admin_hash=settings.edge.admin.key_hash,
            allows_anonymous=settings.auth == "none",
            model_names=[model.name for model in settings.models if not model.name.endswith("*")],
        )

    def find(self, secret: str) -> Principal | None:
        """Whose key it is; None when nobody's. No I/O; a generated key that is mistyped is not even hashed, and a hash is no
        key."""
        if not secret.isascii() or is_mistyped(secret) or secret.startswith(HASH_PREFIX):
            return None
        return self._principals.get(hash_key(secret, self._pepper))

    def knows(self, principal: Principal) -> bool:
        """Whether this very principal is what a key is found as, so that the same key is the same principal again."""
        return id(principal) in self._known

    def member(self, tenant: str, name: str) -> Principal | None:
        """Who calls for `tenant` under `name` with other credentials than a key; a key of that name brings what holds for it.
        None when there is no such tenant."""
        found = self._tenants.get(tenant)
        if found is None:
            return None
        key = next((key for key in found.keys if key.name == name), Key(name=name))
        scope = Scope.of((found.scopes, key.scopes), self._model_names)
        return _until(principal_of(found, key, scope), key.expires_at)

    def _enrol(self, tenant: Tenant, model_names: Collection[str]) -> None:
        prepared: dict[bytes, Scope] = {}  # thousands of keys share a few scopes
        for key in tenant.keys:
            spelled = encode(key.scopes)
            if spelled not in prepared:
                prepared[spelled] = Scope.of((tenant.scopes, key.scopes), model_names)
            principal = principal_of(tenant, key, prepared[spelled])
            for digest, until in self._hashes(key):
                self._principals[digest] = _until(principal, until)

    def _hashes(self, key: Key) -> Iterator[tuple[str, datetime | None]]:
        """The hashes of the secrets that are the key, and until when each is."""
        yield self._hash(key.secret, key.hash), key.expires_at
        if key.previous is not None:
            yield self._hash(key.previous.secret, key.previous.hash), _earlier(key.previous.until, key.expires_at)

    def _hash(self, secret: Secret | None, digest: str | None) -> str:
        return digest or hash_key(secret.reveal() if secret else "", self._pepper)


def principal_of(tenant: Tenant, key: Key, scope: Scope | None = None) -> Principal:
    """The principal of a tenant's key. `scope` is what both their scopes allow, where that is prepared already."""
    subjects = ((("tenant", tenant.name), tenant.limits), (("key", tenant.name, key.name), key.limits))
    return Principal(
        tenant=tenant.name,
        key=key.name,
        pipeline=tenant.pipeline,
        key_pipeline=key.pipeline,
        choosable=frozenset(key.scopes.pipelines or tenant.scopes.pipelines),
        scope=scope or Scope.of((tenant.scopes, key.scopes)),
        limits=tuple(limit for subject, limits in subjects for limit in whole_limits(subject, limits)),
        partial_limits=tuple(limit for subject, limits in subjects for limit in partial_limits(subject, limits)),
        metadata=tenant.metadata | key.metadata,
        priority=tenant.priority,
    )


def _until(principal: Principal, end: datetime | None) -> Principal:
    return replace(principal, scope=replace(principal.scope, valid_until=end.timestamp())) if end else principal


def _earlier(one: datetime, other: datetime | None) -> datetime:
    return min(one, other) if other else one
