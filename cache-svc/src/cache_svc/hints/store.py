"""What a place for hints promises."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Hint:
    """Somebody lets others know of a thing, for `ttl` seconds."""

    key: bytes
    sender: str
    ttl: float


class HintStore(Protocol):
    """Hints by topic, each until its time. One may be lost, and may be heard twice."""

    async def tell(self, topic: str, hint: Hint) -> None:
        """Lets all followers know, those of other replicas too where the store is shared. Raises OVERLOADED when there are as many
        topics as may be, UNAVAILABLE when the store does not answer."""

    def follow(self, topic: str, seconds: float) -> AsyncGenerator[tuple[Hint, ...]]:
        """All that holds, at once and even when it is nothing, then each hint as it is told, with what is left of its time. Ends
        after `seconds`, or when the store is closed. Raises OVERLOADED when there are as many topics as may be, UNAVAILABLE when it is
        closed. Whoever stops early closes it."""

    def close(self) -> None:
        """Ends every follower now, and lets none begin."""
