"""What is read of a Responses stream (https://platform.openai.com/docs/api-reference/responses-streaming)."""

from typing import Annotated

import msgspec
from msgspec import Struct

from provider_svc.dialects.openai_responses.schema import Thought
from provider_svc.documents import Count


class Named(Struct, frozen=True):
    """What every event says first; the errors of some servers say only what stands in `error`."""

    type: str = ""
    error: msgspec.Raw = msgspec.Raw(b"null")


class InputDetails(Struct, frozen=True):
    """Of which the input tokens are made up."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None


class OutputDetails(Struct, frozen=True):
    """Of which the output tokens are made up."""

    reasoning_tokens: Count = None


class Tokens(Struct, frozen=True):
    """What was used; the input includes what was cached."""

    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class IncompleteDetails(Struct, frozen=True):
    """Why an answer ends before its end."""

    reason: str | None = None


class Failure(Struct, frozen=True):
    """Why an answer failed."""

    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    type: str | None = None


class Response(Struct, frozen=True):
    """The answer's own object; its output has come before, event by event, but from those who send it only here."""

    id: str = ""
    model: str = ""
    created_at: Annotated[float, msgspec.Meta(ge=0, le=1 << 53)] | None = None
    incomplete_details: IncompleteDetails | None = None
    error: Failure | None = None
    usage: Tokens | None = None
    output: list[msgspec.Raw] | None = None


class ResponseEvent(Struct, frozen=True):
    """The answer begins or ends."""

    response: Response


class ErrorEvent(Struct, frozen=True):
    """The stream fails; the failure stands in it, or in its `error`."""

    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    error: Failure | None = None


class ItemEvent(Struct, frozen=True):
    """An item begins or is whole."""

    item: msgspec.Raw
    output_index: int = 0


class PartHead(Struct, frozen=True):
    """The kind of a part that begins."""

    type: str


class Annotation(Struct, frozen=True):
    """A source of the text, where it is a page of the web."""

    type: str
    url: str | None = None
    title: str | None = None


class Token(Struct, frozen=True):
    """A token and how likely it was."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class DrawnToken(Token, frozen=True):
    """The token that was drawn, and those that might have been."""

    top_logprobs: list[Token] | None = None


class Piece(Struct, frozen=True):
    """Any event inside an item: which of the members are there its type says. `delta` is a piece; the others are all of it."""

    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str = ""
    text: str = ""
    refusal: str = ""
    arguments: str = ""
    input: str = ""
    logprobs: list[DrawnToken] | None = None
    annotation: Annotation | None = None
    part: PartHead | None = None


class SaidPart(Struct, frozen=True):
    """A part of a message that is whole."""

    type: str
    text: str = ""
    refusal: str = ""


class MessageItem(Struct, frozen=True):
    """A message."""

    content: list[SaidPart] = []


class CallItem(Struct, frozen=True):
    """A call, of a function or a custom tool."""

    name: str
    call_id: str = ""
    id: str | None = None
    arguments: str = ""
    input: str = ""


class ReasoningItem(Struct, frozen=True):
    """Thoughts, summed up, told or sealed."""

    id: str = ""
    summary: list[Thought] | None = None
    content: list[Thought] | None = None
    encrypted_content: str | None = None
