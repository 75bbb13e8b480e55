"""What is read of an OpenAI chat completions body (https://platform.openai.com/docs/api-reference/chat/create).

Members of nested objects that are not named here are let go; those of the body itself are judged in `members.py`.
"""

from typing import Any

import msgspec


class ImageUrl(msgspec.Struct, frozen=True):
    """`url` is https: or a data: URL."""

    url: str


class File(msgspec.Struct, frozen=True):
    """`file_data` is a data: URL or bare base64; `file_id` names a file in OpenAI's own store."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(msgspec.Struct, frozen=True):
    """One part of a message's content; `type` says which of the others is there."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    file: File | None = None
    refusal: str | None = None


Content = str | list[Part] | None


class CalledFunction(msgspec.Struct, frozen=True):
    """`arguments` is JSON in a string, as the model wrote it."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the assistant made in an earlier turn."""

    id: str
    type: str = "function"
    function: CalledFunction | None = None


class ChatMessage(msgspec.Struct, frozen=True):
    """One message of the conversation, of any role."""

    role: str
    content: Content = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    audio: dict[str, Any] | None = None
    function_call: dict[str, Any] | None = None


class Function(msgspec.Struct, frozen=True):
    """`parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """Something the model may call."""

    type: str
    function: Function | None = None


class NamedFunction(msgspec.Struct, frozen=True):
    """A function by its name only."""

    name: str


class ToolChoice(msgspec.Struct, frozen=True):
    """Which tool must be called."""

    type: str
    function: NamedFunction | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    """What a structured answer must look like."""

    schema: dict[str, Any] | None = None
    description: str | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """`type` is text, json_object or json_schema."""

    type: str
    json_schema: JsonSchema | None = None


class ChatRequest(msgspec.Struct, frozen=True):
    """The members of a chat completions body that have a counterpart in Anthropic's."""

    messages: list[ChatMessage]
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    safety_identifier: str | None = None
    user: str | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """What a streaming client wants besides the answer."""

    include_usage: bool | None = None


class ReturnOptions(msgspec.Struct, frozen=True):
    """The members of a chat completions body that shape the way back only."""

    stream_options: StreamOptions | None = None
