"""What may change while processes run. Everything else was read once, when they were built, and needs a restart."""

from collections.abc import Iterator

import msgspec

from chassis.config import Settings

# Read from each snapshot. A section stands for all that is in it; what is not named here needs a restart.
CHANGEABLE = frozenset({
    "audit.capture",
    "auth",
    "authentication",
    "edge.admin.key",
    "edge.admin.key_hash",
    "edge.call_timeout",
    "edge.end_revoked_streams",
    "edge.http.cors",
    "edge.http.max_body",
    "edge.http.trusted_proxies",
    "edge.key_pepper",
    "edge.protection",
    "cache.default_ttl",
    "cache.enabled",
    "cache.when",
    "ratelimit.domains",
    "ratelimit.when_down",
    "mesh.callers",
    "models",
    "pipelines",
    "providers",
    "tenants",
})  # fmt: skip


def find_fixed(before: Settings, after: Settings) -> list[str]:
    """The settings that differ and cannot change at run time: `edge.workers`, `cache.store`."""
    return list(_differences(before, after, ""))


def _differences(before: object, after: object, path: str) -> Iterator[str]:
    if path in CHANGEABLE or before == after:
        return
    if isinstance(before, msgspec.Struct) and isinstance(after, msgspec.Struct):
        for name in before.__struct_fields__:
            yield from _differences(getattr(before, name), getattr(after, name), f"{path}.{name}".lstrip("."))
    else:
        yield path
