"""How many replicas each service has. Several must share a store, or each would be right for itself and wrong in all. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chassis.config import Settings
from chassis.config.shared_state import state_store


@dataclass(frozen=True, slots=True)
class Counts:
    """Replicas by service, and a sentence for each that has fewer than was asked for."""

    replicas: Mapping[str, int]
    notices: tuple[str, ...] = ()


def count_replicas(settings: Settings, edges: int, replicas: int) -> Counts:
    """What can be run under `settings`, whose stores are decided."""
    alone = dict(_list_lone(settings)) if replicas > 1 else {}
    services = {name: 1 if name in alone else replicas for name in ("cache", "ratelimit", "provider", "audit")}
    notices = tuple(f"one {name} only: {why}" for name, why in alone.items())
    return Counts({"edge": edges} | services, notices)


def _list_lone(settings: Settings) -> Iterator[tuple[str, str]]:
    """The services that there may be one of, and why."""
    if state_store(settings) == "memory":
        yield "cache", "what edges share is in its memory; with a Redis (install redis-server) there may be more"
    if settings.ratelimit.store == "memory":
        yield "ratelimit", "its counts are in its memory; with a Redis (install redis-server) there may be more"
    if not settings.audit.store.startswith("postgres"):
        yield "audit", "its store is a file; with a PostgreSQL (install postgresql) there may be more"
