"""OpenAI's Responses, on their way to a client who speaks them: as documents and as events `response.*`."""

from functools import partial

import msgspec

from chassis.errors import RunestoneError
from provider_svc.documents import read_answered
from provider_svc.failures import failure_of_object
from provider_svc.openai.response import raise_error
from provider_svc.openai.schema import NULL, read_counts
from provider_svc.provider import Meter, UpstreamCall
from provider_svc.relay import Fate, TypedWatcher

# What a model does instead of answering, for the client to go on with.
CALLS = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "apply_patch_call",
        "mcp_approval_request",
    }
)
FINISH_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
ENDS = frozenset({"response.completed", "response.incomplete"})
FAILURES = frozenset({"response.failed", "error"})


class Item(msgspec.Struct):
    """A part of the output."""

    type: str = ""


class Incomplete(msgspec.Struct):
    """Why it is not complete."""

    reason: str | None = None


class Response(msgspec.Struct):
    """A whole answer."""

    status: str | None = None
    output: list[Item] = []
    incomplete_details: Incomplete | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL

    @property
    def finish_reason(self) -> str:
        """Why it stopped, in Chat Completions' words; empty while it has not."""
        if self.status == "incomplete":
            reason = self.incomplete_details and self.incomplete_details.reason
            return FINISH_REASONS.get(reason or "", "stop")
        if self.status != "completed":
            return ""
        return "tool_calls" if any(item.type in CALLS for item in self.output) else "stop"


class Event(msgspec.Struct):
    """One event; `response` is the answer as it is by then."""

    type: str = ""
    response: msgspec.Raw = NULL
    error: msgspec.Raw = NULL


_decode_response = msgspec.json.Decoder(Response).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_any = msgspec.json.Decoder(dict[str, object]).decode


def read_response(body: bytes, meter: Meter) -> None:
    """Meters a whole answer; one that failed is raised as a failure. Raises as the functions of `response` do."""
    response = read_answered(_decode_response, body)
    raise_error(response.error, body)
    _note(response, meter)


def watch_response(call: UpstreamCall) -> TypedWatcher:
    """Watches a stream."""
    return TypedWatcher(partial(read_event, meter=call.meter))


def read_event(data: bytes, meter: Meter) -> Fate:
    """Meters one event. Raises PROVIDER_INVALID_ANSWER for what is none, and what one that tells of a failure says."""
    event = read_answered(_decode_event, data, within="stream")
    if event.type in FAILURES:
        if event.response != NULL:
            _note(read_answered(_decode_response, event.response, within="stream"), meter)
        raise tell_failure(data)
    raise_error(event.error, data)
    if event.type not in ENDS:
        return Fate.GOES_ON
    _note(read_answered(_decode_response, event.response, within="stream"), meter)
    return Fate.IS_OVER


def _note(response: Response, meter: Meter) -> None:
    if response.usage != NULL and (usage := read_counts(response.usage)) is not None:
        meter.usage = usage
    if reason := response.finish_reason:
        meter.finish_reason = reason


def tell_failure(data: bytes) -> RunestoneError:
    """The error stands in the event, in the answer that it holds, or is the event itself."""
    event = read_answered(_decode_any, data, within="stream")
    response = event.get("response")
    said = event.get("error") or (response.get("error") if isinstance(response, dict) else None)
    if not said:
        said = {name: event.get(name) for name in ("message", "code", "param")}
    failure = failure_of_object({"error": said})
    assert failure is not None, "what is said is not empty"
    return failure
