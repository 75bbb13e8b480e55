"""What the edge itself reads of a request, a view for each shape of endpoint. What a request may hold is said by the OpenAPI document,
and checked before anything is read; every other member passes through untouched."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chassis.errors import Reason, RunestoneError


class View(Struct):
    """The members that routing, the cache and the record look at. As it stands here: the answer is one document, another each time."""

    model: str

    @classmethod
    def judge(cls, document: Mapping[str, Any]) -> None:
        """Raises INVALID_REQUEST for what no provider may be asked, before anything else is looked at."""

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

    @property
    def is_background(self) -> bool:
        """Whether the answer is to go on while its client is away."""
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
    """OpenAI's Responses. What continues an earlier one means what the provider keeps of that.

    The provider's account is the gateway's, and shared by its tenants, so that nothing in there is reached by an id alone. Of a response
    the gateway knows whose it is; conversations, and items by their id, it cannot tell apart.
    """

    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None

    @classmethod
    def judge(cls, document: Mapping[str, Any]) -> None:
        """Refuses what may be another tenant's."""
        if document.get("conversation") is not None:
            raise _whose_is("conversation", "go on with `previous_response_id`")
        items = document.get("input")
        for place, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict) and _is_reference(item):
                raise _whose_is(f"input[{place}]", "send the item itself")

    @property
    def is_background(self) -> bool:
        """As `background` says."""
        return bool(self.background)

    @property
    def is_kept_back(self) -> bool:
        """Also what goes on with, or is begun beside, what the provider keeps."""
        return self.store is False or bool(self.background) or self.previous_response_id is not None


def _is_reference(item: Mapping[str, Any]) -> bool:
    """OpenAI takes an item without a type for one, where it is no message (`role`)."""
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "role" not in item)


def _whose_is(path: str, advice: str) -> RunestoneError:
    message = f"{path}: the gateway cannot tell whose that is in the provider's account; {advice}"
    return RunestoneError(Reason.INVALID_REQUEST, message, param=path)


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
