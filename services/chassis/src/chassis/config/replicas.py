"""What several replicas of a service need: what they count or keep is one for all of them, or each would be right for itself and
wrong in all."""

from collections.abc import Iterator

from msgspec.structs import replace

from chassis.config.credentials import check_authentication
from chassis.config.document import Finding
from chassis.config.idempotency import check_idempotency
from chassis.config.schema import Settings

# The store that is one process's own, and what replicas can share instead.
LONELY_STORES = {
    "ratelimit": ("memory", "a Redis (redis://...)"),
    "audit": ("sqlite", "a PostgreSQL (postgresql://...)"),
}
SERVICES = ("cache", "ratelimit", "provider", "audit")


def check_replicas(settings: Settings) -> Iterator[Finding]:
    """Services of which there are several and which share nothing, and replicas that could not be started.

    `mesh.<service>.replicas` are as many as a launcher starts; beside `endpoints` it says how many a name there stands for.
    """
    yield from _check_stores(settings)
    for service in SERVICES:
        peer = getattr(settings.mesh, service)
        if peer.replicas > 1 and peer.listen != "unix" and not peer.endpoints:
            message = "several replicas on one machine need `listen: unix`; elsewhere name `endpoints`"
            yield ("mesh", service, "replicas"), message


def find_unshared(settings: Settings, service: str, found: int) -> list[str]:
    """Why `found` replicas of a service, which its name turned out to stand for, cannot be right; empty where they can be."""
    peer = getattr(settings.mesh, service)
    mesh = replace(settings.mesh, **{service: replace(peer, replicas=max(found, peer.replicas))})
    told = replace(settings, mesh=mesh)
    findings = (*_check_stores(told), *check_idempotency(told), *check_authentication(told))
    return [message for path, message in findings if path[:2] == ("mesh", service)]


def _check_stores(settings: Settings) -> Iterator[Finding]:
    for service, (lonely, shared) in LONELY_STORES.items():
        peer = getattr(settings.mesh, service)
        if getattr(settings, service).store != lonely:
            continue
        for name, count in (("replicas", peer.replicas), ("endpoints", len(peer.endpoints))):
            if count > 1:
                message = f"several {name} cannot share the store {lonely!r}; set {service}.store to {shared}"
                yield ("mesh", service, name), message
