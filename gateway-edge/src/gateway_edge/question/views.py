"""What the edge itself reads of a request, a view for each shape of endpoint. What a request may hold is said by the OpenAPI document,
and checked before anything is read; every other member passes through untouched."""

from typing import Any

from msgspec import Struct


class View(Struct):
    """The members that routing, the cache and the record look at. As it stands here: the answer is one document, another each time."""

    model: str

    @property
    def is_stream(self) -> bool:
        """Whether the client wants events."""
        return False

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with an event of its own that says what was used."""
        return False

    @property
    def is_deterministic(self) -> bool:
        """Whether asking again is meant to give the same answer."""
        return False

    @property
    def is_kept_back(self) -> bool:
        """Whether the client wants the answer kept nowhere, or it depends on what the provider keeps."""
        return False


class ComputedRequest(View):
    """Embeddings, moderations, rankings, counted tokens: the same answer whenever they are asked."""

    @property
    def is_deterministic(self) -> bool:
        """By nature."""
        return True


class StreamableRequest(View):
    """What is another each time, and may come as events."""

    stream: bool | None = None

    @property
    def is_stream(self) -> bool:
        """As `stream` says."""
        return bool(self.stream)


class SpeechRequest(View):
    """Text to be spoken: sound, or events with pieces of it."""

    stream_format: str | None = None

    @property
    def is_stream(self) -> bool:
        """As `stream_format` says."""
        return self.stream_format == "sse"


class MessagesRequest(StreamableRequest):
    """Anthropic's Messages: there is no seed."""

    temperature: float | None = None

    @property
    def is_deterministic(self) -> bool:
        """Where the likeliest token is taken."""
        return self.temperature == 0


class ResponsesRequest(MessagesRequest):
    """OpenAI's Responses. What continues an earlier one means what the provider keeps of that."""

    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None

    @property
    def is_kept_back(self) -> bool:
        """Also what goes on with, or is begun beside, what the provider keeps."""
        is_continued = self.previous_response_id is not None or self.conversation is not None
        return self.store is False or bool(self.background) or is_continued


class StreamOptions(Struct):
    """What a client wants of a stream."""

    include_usage: bool | None = None


class ChatRequest(View):
    """Chat completions, and the older completions."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    temperature: float | None = None
    seed: int | float | None = None  # JSON Schema takes 1e17 for an integer

    @property
    def is_stream(self) -> bool:
        """As `stream` says."""
        return bool(self.stream)

    @property
    def is_deterministic(self) -> bool:
        """Where the likeliest token is taken, or always the same are drawn."""
        return self.temperature == 0 or self.seed is not None

    @property
    def wants_usage(self) -> bool:
        """As `stream_options` say."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def is_kept_back(self) -> bool:
        """As `store` says."""
        return self.store is False
