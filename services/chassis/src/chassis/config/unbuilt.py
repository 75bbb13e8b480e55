"""Settings that are ahead of this version: one that would promise something (a budget) is an error until it is kept."""

from collections.abc import Iterator

from chassis.config.document import Finding, KeyPath
from chassis.config.schema import Limits, Settings

UNKEPT_LIMITS = ("tokens_per_minute", "concurrency", "budget")


def find_unkept_promises(settings: Settings) -> Iterator[Finding]:
    """Every setting that somebody might rely on and nothing enforces."""
    for number, tenant in enumerate(settings.tenants):
        yield from _check_limits(tenant.limits, ("tenants", number, "limits"))
        for index, key in enumerate(tenant.keys):
            yield from _check_limits(key.limits, ("tenants", number, "keys", index, "limits"))


def _check_limits(limits: Limits, path: KeyPath) -> Iterator[Finding]:
    for name in UNKEPT_LIMITS:
        if getattr(limits, name) is not None:
            yield (*path, name), "cannot be enforced yet; remove it until a later version can"
