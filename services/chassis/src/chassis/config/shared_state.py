"""Whether what edges share is the same for all of them, and what follows for the settings that need it."""

from collections.abc import Iterator

from chassis.config.document import Finding
from chassis.config.schema import Settings
from chassis.config.units import StoreUrl

LARGEST_SHARE = 8  # one answer takes at most an eighth of the bytes, so that it can never push all others out


def state_store(settings: Settings) -> StoreUrl:
    """Where cache-svc keeps what edges share."""
    return settings.cache.state.store or settings.cache.store


def largest_answer(settings: Settings) -> int:
    """Bytes that one answer under a key may take, with what belongs to it."""
    return settings.cache.state.max_bytes // LARGEST_SHARE


def is_state_shared(settings: Settings, found: int = 1) -> bool:
    """Whether all edges meet the same state, calls under a key as rooms: False for several cache-svc that each have a memory of their own.
    `found` are as many as were found behind a name."""
    peer = settings.mesh.cache
    return state_store(settings) != "memory" or max(peer.replicas, len(peer.endpoints), found) <= 1


def find_unshared_state(settings: Settings, needed_by: str) -> Iterator[Finding]:
    """A finding where `needed_by`, words for what is configured, could not hold because the state is not shared."""
    if not is_state_shared(settings):
        name = "replicas" if settings.mesh.cache.replicas > 1 else "endpoints"
        message = (
            f"several {name} with shared state in memory know nothing of each other, and {needed_by} must hold for all"
        )
        yield ("mesh", "cache", name), f"{message}; set cache.state.store (or cache.store) to a Redis"
