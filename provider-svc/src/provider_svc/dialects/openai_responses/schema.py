"""What is read of a Responses body (https://platform.openai.com/docs/api-reference/responses/create).

Items, parts, tools and the like are objects first, and typed one by one: a kind that is not known must be told from a known one with
members that are not. Members that only say where a thing was kept (`id`, `status`) are read and let go.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import Json

T = TypeVar("T", bound=Struct)


class Body(Struct, frozen=True):
    """The members of a body that are carried; `model` and `stream` are the call's own."""

    input: str | list[Json] | None = None
    instructions: str | None = None
    tools: list[Json] | None = None
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    text: Json | None = None
    reasoning: Json | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: Json | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None


class Message(Struct, frozen=True):
    """A message in any of its forms; `phase` is a label that OpenAI's models put on their own."""

    role: str
    content: str | list[Json]
    type: str = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class FunctionCall(Struct, frozen=True):
    """A call that the model made; `arguments` is JSON in a string."""

    call_id: str
    name: str
    arguments: str
    type: str = "function_call"
    id: str | None = None
    status: str | None = None


class CustomCall(Struct, frozen=True):
    """A call of a custom tool; `input` is whatever it takes."""

    call_id: str
    name: str
    input: str
    type: str = "custom_tool_call"
    id: str | None = None
    status: str | None = None


class CallOutput(Struct, frozen=True):
    """What came of a call of either kind."""

    call_id: str
    output: str | list[Json]
    type: str = "function_call_output"
    name: str | None = None
    id: str | None = None
    status: str | None = None


class Thought(Struct, frozen=True):
    """A piece of reasoning, or of its summary."""

    text: str
    type: str = ""


class ReasoningItem(Struct, frozen=True):
    """What the model thought: told (`content`), summed up, and sealed."""

    summary: list[Thought] | None = None
    content: list[Thought] | None = None
    encrypted_content: str | None = None
    type: str = "reasoning"
    id: str | None = None
    status: str | None = None


class Breakpoint(Struct, frozen=True):
    """The prompt up to here is worth keeping in the cache."""

    mode: str = "explicit"
    ttl: str | None = None


class TextPart(Struct, frozen=True):
    """Words of either side; `annotations` and `logprobs` belong to the answer that they were."""

    text: str
    type: str = "input_text"
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None
    prompt_cache_breakpoint: Breakpoint | None = None


class RefusalPart(Struct, frozen=True):
    """What the model said instead of an answer."""

    refusal: str
    type: str = "refusal"


class ImagePart(Struct, frozen=True):
    """A picture: `image_url` is https: or data:, `file_id` names one in OpenAI's store."""

    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None
    type: str = "input_image"
    prompt_cache_breakpoint: Breakpoint | None = None


class FilePart(Struct, frozen=True):
    """A file: `file_data` is a data: URL or bare base64, `file_id` names one in OpenAI's store."""

    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: str | None = None
    type: str = "input_file"
    prompt_cache_breakpoint: Breakpoint | None = None


class Sound(Struct, frozen=True):
    """Base64 `data` in `format`."""

    data: str
    format: str


class AudioPart(Struct, frozen=True):
    """Sound."""

    input_audio: Sound
    type: str = "input_audio"


class FunctionTool(Struct, frozen=True):
    """A function; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None
    type: str = "function"


class CustomTool(Struct, frozen=True):
    """A tool that takes text, of a grammar perhaps."""

    name: str
    description: str | None = None
    format: Json | None = None
    type: str = "custom"


class NamedChoice(Struct, frozen=True):
    """The one tool that must be called."""

    name: str
    type: str = ""


class AllowedChoice(Struct, frozen=True):
    """The tools among which the model may choose, each by its `type` and `name`."""

    mode: str
    tools: list[Json]
    type: str = "allowed_tools"


class TextConfig(Struct, frozen=True):
    """What the answer's text looks like."""

    format: Json | None = None
    verbosity: str | None = None


class Format(Struct, frozen=True):
    """`type` is text, json_object or json_schema; the others are the last one's."""

    type: str
    name: str = ""
    schema: Json | None = None
    description: str | None = None
    strict: bool | None = None


class ReasoningConfig(Struct, frozen=True):
    """How much the model thinks; `generate_summary` is the old name of `summary`."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


# Members of nested objects, and the value (besides null) that asks for what happens anyway.
NEUTRAL: dict[str, object] = {
    "allowed_callers": ["direct"],
    "async": False,
    "caller": {"type": "direct"},
    "context": "auto",
    "defer_loading": False,
    "mode": "standard",
}


def read(value: Json, kind: type[T], path: str, losses: Losses) -> T:
    """`value`, typed. Raises INVALID_REQUEST where it is not what OpenAI documents; members that are not known are lost."""
    try:
        typed = msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise refusal(path, f"{path}: {exc}") from exc
    for name, inner in value.items():
        if name not in kind.__struct_fields__ and inner is not None and inner != NEUTRAL.get(name):
            losses.lose(f"{path}.{name}", "cannot be carried to this model; leave it out")
    return typed
