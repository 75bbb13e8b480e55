"""What the edge itself reads of a chat completion request. What a request may hold is said by the OpenAPI document, and checked
before anything is read; every other member passes through untouched."""

from msgspec import Struct


class ChatRequest(Struct):
    """The members that routing, the cache and the record look at."""

    model: str
    stream: bool | None = None
    temperature: float | None = None
    seed: int | float | None = None  # JSON Schema takes 1e17 for an integer

    @property
    def is_deterministic(self) -> bool:
        """Whether asking again is meant to give the same answer."""
        return self.temperature == 0 or self.seed is not None
