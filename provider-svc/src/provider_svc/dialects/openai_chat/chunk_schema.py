"""What is read of a chat completion chunk, as OpenAI sends it and as its imitators do; everything else is passed over."""

from typing import Any

import msgspec
from msgspec import Struct

from chassis.errors import Reason, RunestoneError
from provider_svc.documents import UNREADABLE
from provider_svc.failures import failure_of_object

NULL = msgspec.Raw(b"null")


class Function(Struct):
    """A piece of a call. Some imitators send arguments whole, as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The arguments as OpenAI has them."""
        given = self.arguments
        return msgspec.json.encode(given).decode() if isinstance(given, dict) else given or ""


class Custom(Struct):
    """A piece of a custom tool's call."""

    name: str | None = None
    input: str | None = None


class CallDelta(Struct):
    """A piece of one of the answer's calls."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None


class UrlCitation(Struct):
    """A source."""

    url: str = ""
    title: str | None = None


class Annotation(Struct):
    """What stands beside a text."""

    url_citation: UrlCitation | None = None


class ThinkingBlock(Struct):
    """Thinking as LiteLLM has it of Anthropic: its seal comes behind its text. Redacted thinking is all `data`."""

    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None


class Piece(Struct):
    """Mistral says content in parts where its models think."""

    text: str | None = None
    thinking: "str | list[Piece] | None" = None


class Delta(Struct):
    """What is new. `reasoning_content` is DeepSeek's and vLLM's word for thinking, `reasoning` OpenRouter's and Groq's."""

    content: str | list[Piece] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking_blocks: list[ThinkingBlock] | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: Function | None = None
    annotations: list[Annotation] | None = None


class Logprobs(Struct):
    """OpenAI's objects, one a token."""

    content: list[Any] | None = None
    refusal: list[Any] | None = None


class Choice(Struct):
    """One of the answers. `stop_reason` is vLLM's: the stop sequence that was met, or a token's number."""

    index: int | None = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: Logprobs | None = None


class Chunk(Struct):
    """One event."""

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_decode_chunk = msgspec.json.Decoder(Chunk).decode


def read_chunk(data: bytes) -> Chunk:
    """One event's data. Raises PROVIDER_INVALID_ANSWER for what is not a chunk, and what an error in its place says."""
    try:
        chunk = _decode_chunk(data)
        said = None if chunk.error == NULL else msgspec.json.decode(data)
    except UNREADABLE as wrong:
        raise invalid(f"sent data that is not a chat chunk ({wrong})") from wrong
    if (failure := failure_of_object(said)) is not None:
        raise failure
    return chunk


def invalid(what: str) -> RunestoneError:
    """PROVIDER_INVALID_ANSWER that says what the provider did."""
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, f"the provider {what}", upstream_status=200)
