"""Why a model stopped, in Anthropic's words (https://docs.claude.com/en/api/handling-stop-reasons)."""

from collections.abc import Mapping

from provider_svc.dialects.steps import Reason

READ: Mapping[str, Reason] = {
    "compaction": "pause",
    "end_turn": "end",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "pause",
    "refusal": "filter",
    "stop_sequence": "sequence",
    "tool_use": "tools",
}

WRITTEN: Mapping[Reason, str] = {
    "end": "end_turn",
    "filter": "refusal",
    "length": "max_tokens",
    "pause": "pause_turn",
    "sequence": "stop_sequence",
    "tools": "tool_use",
}


def read_reason(stop_reason: str) -> Reason:
    """One that is younger than this table reads as an end: the message is whole, whatever ended it."""
    return READ.get(stop_reason, "end")


def write_reason(reason: Reason, *, has_calls: bool, has_refused: bool) -> str:
    """Anthropic's word. OpenAI stops "by itself" also when it refused, and when it called the tool that it was told to call."""
    if reason == "end" and has_calls:
        return "tool_use"
    if reason == "end" and has_refused:
        return "refusal"
    return WRITTEN[reason]


def write_ending(stop_reason: str, sequence: str | None, words: str | None) -> dict[str, object]:
    """The members of a message, or of its last delta, that say how it ended."""
    ending: dict[str, object] = {"stop_reason": stop_reason, "stop_sequence": sequence}
    if stop_reason == "refusal":
        ending["stop_details"] = {"type": "refusal", "category": None, "explanation": words}
    return ending
