"""What is read of Anthropic's events (https://docs.claude.com/en/docs/build-with-claude/streaming), API version 2023-06-01.

One struct for all of them, so that an event is decoded once; whatever else stands in them is passed over. Servers that imitate
Anthropic say null for what they have not.
"""

import msgspec
from msgspec import Struct

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.anthropic_messages.usage import TokenCounts
from provider_svc.dialects.prompt import Json
from provider_svc.documents import UNREADABLE, read_answered
from provider_svc.failures import failure_of_object


class StopDetails(Struct, frozen=True):
    """Why the model refused, in words."""

    explanation: str | None = None


class Message(Struct, frozen=True):
    """The empty message that a stream begins with."""

    id: str = ""
    model: str = ""
    usage: TokenCounts | None = None


class Block(Struct, frozen=True):
    """The beginning of a block; `type` says which of the others is there."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str = ""
    name: str = ""
    input: Json = {}


class Citation(Struct, frozen=True):
    """Where a text comes from; of documents there is no `url`."""

    url: str | None = None
    title: str | None = None


class Delta(Struct, frozen=True):
    """A piece of a block, or the message's own change; `partial_json` is a fragment of a tool call's input."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: Citation | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class Event(Struct, frozen=True):
    """One event. Every data JSON repeats its event's name as `type`, which alone is read; what has none can only be the error object
    of somebody in between."""

    type: str = "error"
    index: int = -1
    delta: Delta | None = None
    content_block: Block | None = None
    message: Message | None = None
    usage: TokenCounts | None = None


class Named(Struct, frozen=True):
    """What every event says, of whatever kind."""

    type: str


READ = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    }
)

_decode_event = msgspec.json.Decoder(Event).decode
_decode_named = msgspec.json.Decoder(Named).decode
_decode_anything = msgspec.json.Decoder(object).decode


def read_event(data: bytes) -> Event | Named:
    """The event; only its name where it is none that is read, whose members may be of any kind.

    Raises PROVIDER_INVALID_ANSWER for what is no event of the Messages API.
    """
    try:
        return _decode_event(data)
    except UNREADABLE as exc:
        try:
            named = _decode_named(data)
        except UNREADABLE:
            named = None
        if named is None or named.type in READ - {"error"}:
            raise invalid(f"sent something that is not the Messages API ({exc})") from exc
        return named


def read_failure(data: bytes) -> RunestoneError:
    """What an error event's data means; PROVIDER_INVALID_ANSWER where it cannot be read."""
    said = read_answered(_decode_anything, data, within="stream")
    return failure_of_object(said) or invalid("reported an error without saying which")


def invalid(what: str) -> RunestoneError:
    """PROVIDER_INVALID_ANSWER that says what the provider did."""
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, f"the provider {what}", upstream_status=200)
