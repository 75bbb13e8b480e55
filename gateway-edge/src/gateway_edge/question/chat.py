"""What the edge itself reads of a chat completion request. What a request may hold is said by the OpenAPI document, and checked
before anything is read; every other member passes through untouched."""

from msgspec import Struct


class StreamOptions(Struct):
    """What a client wants of a stream."""

    include_usage: bool | None = None


class ChatRequest(Struct):
    """The members that routing, the cache and the record look at."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    temperature: float | None = None
    seed: int | float | None = None  # JSON Schema takes 1e17 for an integer

    @property
    def is_deterministic(self) -> bool:
        """Whether asking again is meant to give the same answer."""
        return self.temperature == 0 or self.seed is not None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with a chunk that says what was used."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)
