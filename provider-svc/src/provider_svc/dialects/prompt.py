"""What is asked of a model, in nobody's dialect: a conversation, tools, and how to answer. Values only.

Each dialect reads what it knows into these and writes out of them what it has a word for; what it has no word for it tells `Losses`.
An absent value is None: nothing is made up that the client did not say.
"""

from typing import Any, Literal

from msgspec import Struct

Json = dict[str, Any]

Role = Literal["user", "assistant", "system"]
Maker = Literal["openai", "anthropic"]


class CacheMark(Struct, frozen=True, gc=False):
    """The prompt up to here is worth keeping in the provider's prompt cache (Anthropic's `cache_control`), for `ttl` ("5m", "1h")."""

    ttl: str | None = None


class Text(Struct, frozen=True, kw_only=True):
    """Words. `is_refusal`: what an assistant said instead of an answer."""

    text: str
    is_refusal: bool = False
    cache: CacheMark | None = None


class Image(Struct, frozen=True, kw_only=True):
    """A picture: an https URL, or base64 `data` of `media_type`. `detail` is low, high or auto."""

    url: str | None = None
    media_type: str = ""
    data: str = ""
    detail: str | None = None
    cache: CacheMark | None = None


class Document(Struct, frozen=True, kw_only=True):
    """A file: an https URL, base64 `data` of `media_type`, or plain `text`."""

    url: str | None = None
    media_type: str = ""
    data: str = ""
    text: str | None = None
    title: str | None = None
    cache: CacheMark | None = None


class Audio(Struct, frozen=True, kw_only=True):
    """Sound: base64 `data` in `format` ("wav", "mp3")."""

    data: str
    format: str


class Thinking(Struct, frozen=True, kw_only=True):
    """What a model thought before it answered. `seal` is what its maker, and nobody else, takes as proof that it is its own: to be
    handed back as it came. Redacted thinking has a seal and no text. `id` is what OpenAI calls the item."""

    text: str = ""
    seal: str = ""
    sealed_by: Maker | None = None
    is_redacted: bool = False
    id: str = ""


class ToolCall(Struct, frozen=True, kw_only=True):
    """A call that the assistant made. `arguments` is text as the model wrote it: JSON, of a custom tool whatever it takes."""

    id: str
    name: str
    arguments: str
    is_custom: bool = False
    cache: CacheMark | None = None


class ToolResult(Struct, frozen=True, kw_only=True):
    """What came of a call; `is_error` where the tool failed. Stands in a turn of the user."""

    call_id: str
    parts: "tuple[Text | Image | Document, ...]"
    is_error: bool = False
    is_custom: bool = False
    cache: CacheMark | None = None


Part = Text | Image | Document | Audio | Thinking | ToolCall | ToolResult


class Turn(Struct, frozen=True, kw_only=True):
    """What one side said. Neighbours of one role may stand apart or together, as the client had them; `path` is where the turn stands
    in the client's body ("messages[2]"), for refusals."""

    role: Role
    parts: tuple[Part, ...]
    path: str = ""
    name: str | None = None


class Tool(Struct, frozen=True, kw_only=True):
    """Something that the model may call: a function with a JSON Schema, or a custom tool that takes text in a `format`
    (OpenAI's, flat as in Responses: `{"type": "grammar", "syntax", "definition"}`)."""

    name: str
    description: str | None = None
    schema: Json | None = None
    is_strict: bool | None = None
    is_custom: bool = False
    format: Json | None = None
    cache: CacheMark | None = None


class Choice(Struct, frozen=True, kw_only=True):
    """Whether a tool is called: as the model likes, not at all, at least one, or the one of that `name`."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str = ""
    is_custom: bool = False


class Shape(Struct, frozen=True, kw_only=True):
    """What a structured answer looks like: any JSON object, or what a JSON Schema says."""

    kind: Literal["json_object", "json_schema"]
    name: str = ""
    schema: Json | None = None
    description: str | None = None
    is_strict: bool | None = None


class Reasoning(Struct, frozen=True, kw_only=True):
    """How much a model thinks first: not at all (`is_enabled` False), as it likes, by effort ("minimal", "low", "medium", "high",
    "xhigh", "max") or up to `budget` tokens. `summary` says whether its thoughts are to be told ("auto", "concise", "detailed")."""

    is_enabled: bool | None = None
    effort: str | None = None
    budget: int | None = None
    summary: str | None = None


class Sampling(Struct, frozen=True, kw_only=True):
    """How the next token is drawn. `max_tokens` counts the answer's tokens, reasoning included."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: Json | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    verbosity: str | None = None


class Handling(Struct, frozen=True, kw_only=True):
    """What is said beside the question, and does not change its answer: whose it is, labels, price class, caching, keeping."""

    user: str | None = None
    metadata: Json | None = None
    service_tier: str | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None


class Prompt(Struct, frozen=True, kw_only=True):
    """A whole question. `system` is what the operator of the conversation says before it begins, in its order; a system turn stands
    in the middle of one. `parallel`: whether several tools may be called at once."""

    turns: tuple[Turn, ...]
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    choice: Choice | None = None
    parallel: bool | None = None
    shape: Shape | None = None
    reasoning: Reasoning = Reasoning()
    sampling: Sampling = Sampling()
    handling: Handling = Handling()
