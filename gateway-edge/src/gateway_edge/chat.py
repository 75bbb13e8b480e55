"""What the edge reads of a chat completion request (https://platform.openai.com/docs/api-reference/chat/create).

Only what routing, limits and the cache need is typed; every other member passes through untouched.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class Message(Struct):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class StreamOptions(Struct):
    """How a stream is sent."""

    include_usage: bool | None = None


class ChatRequest(Struct):
    """The members of a chat completion request that the gateway looks at."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None

    @property
    def is_deterministic(self) -> bool:
        """Whether asking again is meant to give the same answer."""
        return self.temperature == 0 or self.seed is not None
