"""What must hold for questions to be asked at start: there is a file of them, and somebody to ask them for."""

import os
from collections.abc import Iterator
from pathlib import Path

from chassis.config.document import Finding
from chassis.config.schema import Settings, Warming

PATH = ("cache", "warm")


def check_warming(settings: Settings) -> Iterator[Finding]:
    """Everything in `cache.warm` that `cache.warm_on_startup` could not be kept with."""
    if not settings.cache.warm_on_startup:
        return
    warm = settings.cache.warm
    for name in ("file", "tenant"):
        if not getattr(warm, name):
            yield ("cache", "warm_on_startup"), f"needs `cache.warm.{name}`"
    if warm.file and not _can_be_read(Path(warm.file)):
        yield (*PATH, "file"), f"cannot be read: {warm.file} is not a file, or not one that may be read"
    if warm.tenant and settings.tenants:  # without any, there will be the development tenant
        yield from _check_caller(settings, warm)


def _can_be_read(path: Path) -> bool:
    """A pipe could be read once, and never again by a worker that is started anew."""
    return path.is_file() and os.access(path, os.R_OK)


def _check_caller(settings: Settings, warm: Warming) -> Iterator[Finding]:
    tenant = next((tenant for tenant in settings.tenants if tenant.name == warm.tenant), None)
    if tenant is None:
        yield (*PATH, "tenant"), f"there is no tenant {warm.tenant!r}"
    elif warm.key and all(key.name != warm.key for key in tenant.keys):
        yield (*PATH, "key"), f"the tenant {warm.tenant!r} has no key {warm.key!r}"
