"""Anthropic's Messages, on their way to a client who speaks them: as documents and as named events."""

from functools import partial

import msgspec

from provider_svc.anthropic.usage import count
from provider_svc.dialects.anthropic_messages.usage import TokenCounts
from provider_svc.documents import UNREADABLE, read_answered
from provider_svc.failures import failure_of_object
from provider_svc.provider import Meter, UpstreamCall
from provider_svc.relay import Fate, TypedWatcher

NULL = msgspec.Raw(b"null")

# Why a model stopped, in Chat Completions' words.
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class Stopping(msgspec.Struct):
    """How a message changes at its end."""

    stop_reason: str | None = None


class Message(msgspec.Struct):
    """A whole answer, and what a stream begins with."""

    type: str = ""
    stop_reason: str | None = None
    usage: msgspec.Raw = NULL


class Event(msgspec.Struct):
    """One event of a stream, of those that are read."""

    type: str = ""
    message: Message | None = None
    delta: Stopping | None = None
    usage: msgspec.Raw = NULL


_decode_message = msgspec.json.Decoder(Message).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_counts = msgspec.json.Decoder(TokenCounts | None).decode
_decode_any = msgspec.json.Decoder(dict[str, object]).decode


def read_message(body: bytes, meter: Meter) -> None:
    """Meters a whole answer. Raises PROVIDER_INVALID_ANSWER when it is not a JSON object of this shape, and what an error object
    says."""
    message = read_answered(_decode_message, body)
    _raise_error(message.type, body)
    _note(meter, message.usage, message.stop_reason)


def read_token_count(body: bytes, meter: Meter) -> None:  # noqa: ARG001  to count is free, and uses no tokens
    """Checks a count of tokens. Raises as `read_message` does."""
    _raise_error(read_answered(_decode_message, body).type, body)


def watch_message(call: UpstreamCall) -> TypedWatcher:
    """Watches a stream."""
    return TypedWatcher(partial(read_event, meter=call.meter))


def read_event(data: bytes, meter: Meter) -> Fate:
    """Meters one event. Raises PROVIDER_INVALID_ANSWER for what is none, and what an error says."""
    event = read_answered(_decode_event, data, within="stream")
    _raise_error(event.type, data)
    if event.message is not None:
        _note(meter, event.message.usage, event.message.stop_reason)
    _note(meter, event.usage, event.delta.stop_reason if event.delta is not None else None)
    return Fate.IS_OVER if event.type == "message_stop" else Fate.GOES_ON


def _note(meter: Meter, usage: msgspec.Raw, stop_reason: str | None) -> None:
    if usage != NULL and (counts := _read_counts(usage)) is not None:
        meter.usage = count(meter.usage, counts)
    if stop_reason:
        meter.finish_reason = FINISH_REASONS.get(stop_reason, "stop")


def _read_counts(usage: msgspec.Raw) -> TokenCounts | None:
    """Counts that make no sense are none."""
    try:
        counts: TokenCounts | None = _decode_counts(usage)
    except UNREADABLE:
        return None
    return counts


def _raise_error(kind: str, body: bytes) -> None:
    if kind == "error":
        document = read_answered(_decode_any, body)
        said = document.get("error") or {"message": "the provider reported an error without saying which"}
        failure = failure_of_object({"error": said})
        assert failure is not None, "what is said is not empty"
        raise failure
