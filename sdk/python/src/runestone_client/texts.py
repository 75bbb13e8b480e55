"""The text in an event of an answer, whichever API it is of. Pure."""

from typing import Any


def read_text(data: Any) -> str:
    """What the model says in this event; empty where it says nothing."""
    if not isinstance(data, dict):
        return ""
    if isinstance(choices := data.get("choices"), list):
        return "".join(map(_read_choice, choices))
    delta = data.get("delta")
    if data.get("type") == "response.output_text.delta":
        return delta if isinstance(delta, str) else ""
    if data.get("type") == "content_block_delta" and isinstance(delta, dict):
        return str(delta.get("text") or "")
    return ""


def _read_choice(choice: Any) -> str:
    """The first of several: another choice is another text."""
    if not isinstance(choice, dict) or choice.get("index", 0) != 0:
        return ""
    delta = choice.get("delta")
    return str((delta if isinstance(delta, dict) else choice).get("content") or choice.get("text") or "")
