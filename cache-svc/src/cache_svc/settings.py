"""What the cache needs of the configuration."""

from dataclasses import dataclass, field
from typing import Self

from cache_svc.store import Bounds
from chassis.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """`default_ttl` is in seconds; `store_url` is None for this process's memory, and may hold a password: not shown."""

    bounds: Bounds
    default_ttl: float
    store_url: str | None = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The part that concerns this service."""
        cache = settings.cache
        return cls(
            bounds=Bounds(max_entries=cache.max_size, max_bytes=cache.max_bytes),
            default_ttl=cache.default_ttl,
            store_url=None if cache.store == "memory" else cache.store,
        )
