"""What is read of Anthropic's answers, API version 2023-06-01; whatever else stands in them is passed over.

https://docs.claude.com/en/api/messages and https://docs.claude.com/en/docs/build-with-claude/streaming.
"""

from typing import Annotated, Any

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] | None


class OutputDetails(msgspec.Struct, frozen=True):
    """The part of the output that was reasoning, in tokens."""

    thinking_tokens: Count = None


class TokenCounts(msgspec.Struct, frozen=True):
    """Anthropic's `usage`. `input_tokens` leaves out both cache counts; a message_delta's counts are cumulative."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None
    output_tokens_details: OutputDetails | None = None


class StopDetails(msgspec.Struct, frozen=True):
    """Why the model refused, in words."""

    explanation: str | None = None


class Block(msgspec.Struct, frozen=True):
    """One block of an answer's content; `type` says which of the others is there."""

    type: str
    text: str = ""
    thinking: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class Message(msgspec.Struct, frozen=True):
    """A whole answer, and the empty one that a stream begins with."""

    id: str
    model: str
    content: list[Block] = []
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: TokenCounts = TokenCounts()


class Named(msgspec.Struct, frozen=True):
    """What every event and every document says first."""

    type: str


class MessageStart(msgspec.Struct, frozen=True):
    """The stream's first event."""

    message: Message


class BlockStart(msgspec.Struct, frozen=True):
    """A block begins; its text, thinking or input comes with deltas of the same `index`."""

    index: int
    content_block: Block


class Delta(msgspec.Struct, frozen=True):
    """A piece of a block; `partial_json` is a fragment of a tool call's input."""

    type: str
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class BlockDelta(msgspec.Struct, frozen=True):
    """A block goes on."""

    index: int
    delta: Delta


class BlockStop(msgspec.Struct, frozen=True):
    """A block is whole."""

    index: int


class Ending(msgspec.Struct, frozen=True):
    """Why the model stopped."""

    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class MessageDelta(msgspec.Struct, frozen=True):
    """The message's own changes, last before its end."""

    delta: Ending
    usage: TokenCounts = TokenCounts()
