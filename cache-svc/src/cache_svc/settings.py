"""What the cache needs of the configuration."""

from dataclasses import dataclass, field
from typing import Self

from cache_svc.store import Bounds
from chassis.config import Settings
from chassis.config.schema import Encryption
from chassis.config.shared_state import largest_answer, state_store


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """`default_ttl` is in seconds; a URL is None for this process's memory, and may hold a password: not shown. `state_answer`
    is how many bytes one answer under a key may take. `encryption` is None where nothing is encrypted."""

    bounds: Bounds
    default_ttl: float
    store_url: str | None = field(repr=False)
    encryption: Encryption | None
    state_bounds: Bounds
    state_answer: int
    state_url: str | None = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The part that concerns this service."""
        cache = settings.cache
        return cls(
            bounds=Bounds(max_entries=cache.max_size, max_bytes=cache.max_bytes),
            default_ttl=cache.default_ttl,
            store_url=_url(cache.store),
            encryption=cache.encryption,
            state_bounds=Bounds(max_entries=cache.state.max_size, max_bytes=cache.state.max_bytes),
            state_answer=largest_answer(settings),
            state_url=_url(state_store(settings)),
        )


def _url(store: str) -> str | None:
    return None if store == "memory" else store
