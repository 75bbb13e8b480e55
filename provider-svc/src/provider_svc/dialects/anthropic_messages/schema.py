"""What is read of a Messages body (https://docs.claude.com/en/api/messages).

Members of nested objects that are not named here are let go; those of the body itself are judged in `members.py`.
"""

from typing import Any

from msgspec import Raw, Struct

from provider_svc.dialects.prompt import CacheMark, Json

NOT_SAID = Raw(b"")


class Source(Struct, frozen=True):
    """Where an image's or a document's content is; `type` says which of the others is there."""

    type: str
    url: str | None = None
    media_type: str | None = None
    data: str | None = None
    content: "str | list[Block] | None" = None


class Block(Struct, frozen=True):
    """One block of a turn; `type` says which of the others is there. Blocks of server tools are as various as their tools: those
    are not read, and must only be able to stand here."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    context: str | None = None
    citations: Any = None
    transformations: Any = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = NOT_SAID
    toolset_name: str | None = None
    tool_use_id: str | None = None
    content: "str | list[Block] | Json | None" = None
    is_error: bool | None = None
    cache_control: CacheMark | None = None


class Message(Struct, frozen=True):
    """One turn."""

    role: str
    content: str | list[Block]


class Tool(Struct, frozen=True):
    """A tool of the client's, or one of Anthropic's own by its versioned `type`."""

    type: str | None = None
    name: str = ""
    description: str | None = None
    input_schema: Json | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[Json] | None = None
    allowed_callers: list[str] | None = None
    cache_control: CacheMark | None = None


class ToolChoice(Struct, frozen=True):
    """Whether a tool must be called."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class ThinkingConfig(Struct, frozen=True):
    """Whether the model thinks first, for how many tokens, and whether that is shown."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class Format(Struct, frozen=True):
    """What a structured answer must look like."""

    type: str
    schema: Json | None = None


class OutputConfig(Struct, frozen=True):
    """How much work goes into the answer, and its shape."""

    effort: str | None = None
    format: Format | None = None
    task_budget: Any = None


class Edit(Struct, frozen=True):
    """One rule by which Anthropic leaves something of a long conversation out."""

    type: str


class ContextManagement(Struct, frozen=True):
    """The rules by which Anthropic shortens a conversation."""

    edits: list[Edit] | None = None


class Request(Struct, frozen=True):
    """The members of a body that are read. `output_format` is what `output_config.format` was called as a beta."""

    messages: list[Message]
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: Format | None = None
    context_management: ContextManagement | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    metadata: Json | None = None
    service_tier: str | None = None
