"""What the limiter needs of the configuration."""

from dataclasses import dataclass, field
from typing import Self

from chassis.config import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitSettings:
    """`store_url` is None for this process's memory; it may hold a password and is not shown."""

    store_url: str | None = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The part that concerns this service."""
        store = settings.ratelimit.store
        return cls(store_url=None if store == "memory" else store)
