"""Settings that are ahead of this version: one that would promise something (a budget, TLS) is an error until it is kept."""

from collections.abc import Callable, Iterator

from chassis.config.document import Finding, KeyPath
from chassis.config.schema import Limits, Settings

# Settings that promise something no part of this version enforces.
UNKEPT_PROMISES: tuple[tuple[KeyPath, Callable[[Settings], bool], str], ...] = (
    (("mesh", "tls"), lambda s: s.mesh.tls is not None, "TLS inside the mesh is not built yet"),
)
UNKEPT_LIMITS = ("tokens_per_minute", "concurrency", "budget")


def find_unkept_promises(settings: Settings) -> Iterator[Finding]:
    """Every setting that somebody might rely on and nothing enforces."""
    for path, promises, message in UNKEPT_PROMISES:
        if promises(settings):
            yield path, f"{message}; remove it until a later version can keep it"
    for number, tenant in enumerate(settings.tenants):
        yield from _check_limits(tenant.limits, ("tenants", number, "limits"))
        for index, key in enumerate(tenant.keys):
            yield from _check_limits(key.limits, ("tenants", number, "keys", index, "limits"))


def _check_limits(limits: Limits, path: KeyPath) -> Iterator[Finding]:
    for name in UNKEPT_LIMITS:
        if getattr(limits, name) is not None:
            yield (*path, name), "cannot be enforced yet; remove it until a later version can"
