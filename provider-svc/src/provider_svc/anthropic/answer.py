"""What a unary answer and a stream have in common: reading Anthropic's documents, and how an answer ended."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.schema import StopDetails
from provider_svc.failures import failure_of_object

T = TypeVar("T")

# https://docs.claude.com/en/api/handling-stop-reasons
FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "stop",
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}


def finish_reason(stop_reason: str) -> str:
    """OpenAI's word. A reason younger than this table reads as "stop": the message is whole, whatever ended it."""
    return FINISH_REASONS.get(stop_reason, "stop")


def refusal_text(stop_reason: str | None, details: StopDetails | None) -> str | None:
    """Anthropic's explanation of a refusal, which is what OpenAI's `refusal` is for; None where there is none."""
    return details.explanation if stop_reason == "refusal" and details is not None else None


def read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """`body`, typed. Raises PROVIDER_INVALID_ANSWER when it is not what Anthropic documents."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as wrong:
        raise invalid(f"sent something that is not the Messages API ({wrong})") from wrong


def failure(body: bytes) -> RunestoneError:
    """What an error document, or an error event's data, means."""
    error = failure_of_object(read(body, _ANYTHING))
    return error or invalid("reported an error without saying which")


def invalid(what: str) -> RunestoneError:
    """PROVIDER_INVALID_ANSWER that says what Anthropic did."""
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, f"the provider {what}", upstream_status=200)


_ANYTHING: "msgspec.json.Decoder[object]" = msgspec.json.Decoder(object)
