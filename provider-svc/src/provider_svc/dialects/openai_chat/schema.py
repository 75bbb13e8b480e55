"""What is read of a chat completions body (https://platform.openai.com/docs/api-reference/chat/create), and of what LiteLLM and
OpenRouter taught clients to say besides: `cache_control`, `reasoning_content`, `thinking_blocks`, `top_k`.

A member that stands in no struct is not read: `members.py` tells of it.
"""

from typing import Any

from msgspec import Struct

Json = dict[str, Any]


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """An object whose members are all known."""


class CacheControl(Member, frozen=True):
    """Anthropic's mark of a prefix worth keeping. `type` is ephemeral."""

    type: str = "ephemeral"
    ttl: str | None = None


class CacheBreakpoint(Member, frozen=True):
    """OpenAI's. `mode` is explicit."""

    mode: str = "explicit"
    ttl: str | None = None


class ImageUrl(Member, frozen=True):
    """`url` is https: or a data: URL."""

    url: str
    detail: str | None = None


class InputAudio(Member, frozen=True):
    """`data` is base64."""

    data: str
    format: str


class File(Member, frozen=True):
    """`file_data` is a data: URL or bare base64; `file_id` names a file in OpenAI's own store."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(Member, frozen=True):
    """One part of a message's content; `type` says which of the others is there."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None
    input_audio: InputAudio | None = None
    file: File | None = None
    refusal: str | None = None
    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None


Content = str | list[Part] | None


class Called(Member, frozen=True):
    """A function as it was called: `arguments` is JSON in a string, as the model wrote it."""

    name: str
    arguments: str


class CalledCustom(Member, frozen=True):
    """A custom tool as it was called."""

    name: str
    input: str


class ToolCall(Member, frozen=True):
    """A call that the assistant made in an earlier turn. `index` stands in streams, and comes back from clients that keep chunks."""

    id: str
    type: str = "function"
    function: Called | None = None
    custom: CalledCustom | None = None
    index: int | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Member, frozen=True):
    """What the assistant thought, as Anthropic seals it: thinking with a signature, or redacted_thinking with data."""

    type: str
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    index: int | None = None


class Message(Member, frozen=True):
    """One message of the conversation, of any role. From `annotations` to `reasoning_details`: what clients send back as they got it
    of OpenAI, its SDK, LiteLLM and OpenRouter."""

    role: str
    content: Content = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    audio: Json | None = None
    function_call: Called | None = None
    annotations: list[Any] | None = None
    parsed: Any = None
    provider_specific_fields: Any = None
    reasoning_details: Any = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    cache_control: CacheControl | None = None


class Function(Member, frozen=True):
    """`parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None


class Grammar(Member, frozen=True):
    """`syntax` is lark or regex."""

    definition: str
    syntax: str


class CustomFormat(Member, frozen=True):
    """`type` is text or grammar."""

    type: str
    grammar: Grammar | None = None


class Custom(Member, frozen=True):
    """A tool that takes text."""

    name: str
    description: str | None = None
    format: CustomFormat | None = None


class Tool(Member, frozen=True):
    """Something the model may call."""

    type: str
    function: Function | None = None
    custom: Custom | None = None
    cache_control: CacheControl | None = None


class Named(Member, frozen=True):
    """A tool by its name only."""

    name: str


class AllowedTools(Member, frozen=True):
    """Of all tools, those that may be called now. `mode` is auto or required."""

    mode: str
    tools: list[Json]


class ToolChoice(Member, frozen=True):
    """Which tool must be called, or which may."""

    type: str
    function: Named | None = None
    custom: Named | None = None
    allowed_tools: AllowedTools | None = None


class JsonSchema(Member, frozen=True):
    """What a structured answer must look like."""

    name: str = ""
    schema: Json | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Member, frozen=True):
    """`type` is text, json_object or json_schema."""

    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(Member, frozen=True):
    """What a streaming client wants besides the answer, and how it is padded."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Request(Member, frozen=True):
    """The members of a body that say something which other dialects may have a word for."""

    messages: list[Message]
    n: int | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Json | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    verbosity: str | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    functions: list[Function] | None = None
    function_call: str | Named | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
    metadata: Json | None = None
    service_tier: str | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    stream_options: StreamOptions | None = None
