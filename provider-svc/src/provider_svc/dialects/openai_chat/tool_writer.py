"""Neutral tools as the members of a chat completions body that speak of them."""

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_chat.schema import Json
from provider_svc.dialects.prompt import Choice, Prompt, Tool


def write_tools(prompt: Prompt, losses: Losses) -> Json:
    """`tools`, `tool_choice` and `parallel_tool_calls`; empty without tools, where OpenAI refuses the others. Raises INVALID_REQUEST
    for a choice that cannot be made."""
    if not prompt.tools:
        return _write_nothing(prompt)
    if any(tool.cache is not None for tool in prompt.tools):
        losses.drop("cache_control")
    members: Json = {"tools": [_write_tool(tool) for tool in prompt.tools]}
    if prompt.choice is not None:
        members["tool_choice"] = _write_choice(prompt.choice)
    if prompt.parallel is not None:
        members["parallel_tool_calls"] = prompt.parallel
    return members


def _write_nothing(prompt: Prompt) -> Json:
    if prompt.choice is not None and prompt.choice.mode in {"required", "tool"}:
        raise refusal("tool_choice", "tool_choice asks for a tool, but there are no tools")
    return {}


def _write_tool(tool: Tool) -> Json:
    described: Json = {"name": tool.name}
    if tool.description is not None:
        described["description"] = tool.description
    if tool.is_custom:
        if tool.format is not None:
            described["format"] = _write_format(tool.format)
        return {"type": "custom", "custom": described}
    if tool.schema is not None:
        described["parameters"] = tool.schema
    if tool.is_strict is not None:
        described["strict"] = tool.is_strict
    return {"type": "function", "function": described}


def _write_format(flat: Json) -> Json:
    """See `tool_reader`."""
    if flat.get("type") != "grammar":
        return flat
    return {"type": "grammar", "grammar": {name: said for name, said in flat.items() if name != "type"}}


def _write_choice(choice: Choice) -> str | Json:
    if choice.mode != "tool":
        return choice.mode
    kind = "custom" if choice.is_custom else "function"
    return {"type": kind, kind: {"name": choice.name}}
