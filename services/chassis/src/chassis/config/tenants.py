"""What must hold of tenants and their keys beyond types: every key is somebody's alone, and what it may do has a meaning."""

import ipaddress
import re
from collections.abc import Iterator

from chassis.config.document import Finding, KeyPath
from chassis.config.endpoints import ENDPOINTS, LIMITED_ENDPOINTS
from chassis.config.schema import Key, Limits, Scopes, Settings, Tenant
from chassis.config.units import Secret
from chassis.globs import Globs
from chassis.keys import HASH_PREFIX, hash_key

RESERVED = ("admin", "anonymous")  # tenants that the edge has itself; another one's cache and records would be theirs
MOST_PARTS = 12  # `limits.per` of a tenant and of a key, with all others, fit into one request to ratelimit-svc
ROOM = "room:"  # before a room's name, in a topic
SHORTEST, LONGEST = 16, 256  # characters of a secret

_HASH = re.compile(HASH_PREFIX + "[0-9a-f]{64}")


def check_tenants(settings: Settings) -> Iterator[Finding]:
    """Everything in `tenants` and the admin key that could not be told apart, or means nothing."""
    yield from _check_secrets(settings)
    for number, tenant in enumerate(settings.tenants):
        path: KeyPath = ("tenants", number)
        if tenant.name in RESERVED:
            yield (*path, "name"), f"{tenant.name!r} is reserved; choose another name"
        yield from _check_scopes(tenant.scopes, (*path, "scopes"))
        yield from _check_parts(tenant.limits, (*path, "limits"))
        for index, key in enumerate(tenant.keys):
            yield from _check_key(tenant, key, (*path, "keys", index))


def _check_key(tenant: Tenant, key: Key, path: KeyPath) -> Iterator[Finding]:
    yield from _check_scopes(key.scopes, (*path, "scopes"))
    yield from _check_parts(key.limits, (*path, "limits"))
    bound = tenant.scopes.pipelines
    for index, name in enumerate(key.scopes.pipelines):
        if bound and name not in bound:
            yield (*path, "scopes", "pipelines", index), f"{name!r} is not in the tenant's own `scopes.pipelines`"


def _check_scopes(scopes: Scopes, path: KeyPath) -> Iterator[Finding]:
    yield from _check_endpoints(scopes.endpoints, tuple(ENDPOINTS), (*path, "endpoints"))
    for index, name in enumerate(scopes.rooms):
        if name.startswith(ROOM):
            yield (*path, "rooms", index), f"is a topic; the room's name is what stands behind `{ROOM}`"
    for index, text in enumerate(scopes.addresses):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            yield (
                (*path, "addresses", index),
                f"must be an IP address or a range such as 10.0.0.0/8 or fd00::/8: {error}",
            )


def _check_endpoints(patterns: list[str], known: tuple[str, ...], path: KeyPath) -> Iterator[Finding]:
    for index, pattern in enumerate(patterns):
        meant = Globs([pattern])
        if not any(endpoint in meant for endpoint in known):
            yield (*path, index), f"{pattern!r} is no endpoint; known here: {', '.join(known)}"


def _check_parts(limits: Limits, path: KeyPath) -> Iterator[Finding]:
    if len(limits.per) > MOST_PARTS:
        yield (*path, "per"), f"must be at most {MOST_PARTS}"
    for index, part in enumerate(limits.per):
        where = (*path, "per", index)
        if not part.models and not part.endpoints:
            yield where, "needs `models`, `endpoints` or both; without them it is `limits.requests_per_minute`"
        yield from _check_endpoints(part.endpoints, LIMITED_ENDPOINTS, (*where, "endpoints"))
        if any(part.is_for_same(other) for other in limits.per[:index]):
            yield where, "binds the same models and endpoints as one before it"


def _check_secrets(settings: Settings) -> Iterator[Finding]:
    """Each is well formed, and no two are the same: who presents it is one caller."""
    pepper = settings.edge.key_pepper.reveal() if settings.edge.key_pepper else None
    owners: dict[str, str] = {}
    for path, owner, secret, digest in _list_secrets(settings):
        yield from _check_secret(secret, digest, path)
        identity = hash_key(secret.reveal(), pepper) if secret else digest or ""
        if identity and identity in owners:
            yield path, f"is the same key as {owners[identity]}"
        owners.setdefault(identity, owner)


def _list_secrets(settings: Settings) -> Iterator[tuple[KeyPath, str, Secret | None, str | None]]:
    admin = settings.edge.admin
    if admin.key is not None or admin.key_hash is not None:
        yield ("edge", "admin"), "the admin key", admin.key, admin.key_hash
    for number, tenant in enumerate(settings.tenants):
        for index, key in enumerate(tenant.keys):
            path: KeyPath = ("tenants", number, "keys", index)
            yield path, f"{tenant.name}/{key.name}", key.secret, key.hash
            if key.previous is not None:
                owner = f"the previous secret of {tenant.name}/{key.name}"
                yield (*path, "previous"), owner, key.previous.secret, key.previous.hash


def _check_secret(secret: Secret | None, digest: str | None, path: KeyPath) -> Iterator[Finding]:
    names = ("key", "key_hash") if path == ("edge", "admin") else ("secret", "hash")
    if (secret is None) == (digest is None):
        yield path, f"needs either `{names[0]}` or `{names[1]}`"
    elif secret is not None and secret.reveal().startswith(HASH_PREFIX):
        yield (*path, names[0]), f"is a hash, which would then be a key itself; write it as `{names[1]}`"
    elif secret is not None and not may_be_secret(secret.reveal()):
        yield (*path, names[0]), f"must be {SHORTEST} to {LONGEST} printable ASCII characters without spaces"
    elif digest is not None and not _HASH.fullmatch(digest):
        yield (*path, names[1]), f"must be {HASH_PREFIX} and 64 hex digits"


def may_be_secret(text: str) -> bool:
    """Whether `text` can be a key: printable, so that a header takes it, and not too short to guess."""
    return SHORTEST <= len(text) <= LONGEST and text.isascii() and text.isprintable() and " " not in text
