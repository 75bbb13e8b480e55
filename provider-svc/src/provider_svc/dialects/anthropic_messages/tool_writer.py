"""What the model may call, and whether it must, in Anthropic's words."""

from collections.abc import Mapping

from provider_svc.dialects.anthropic_messages.cache_marks import CacheMarks
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import Choice, Json, Prompt, Tool

MODES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any"}


def write_tools(prompt: Prompt, marks: CacheMarks, losses: Losses) -> Json:
    """`tools` and `tool_choice`; empty without tools. Custom tools are lost. Raises INVALID_REQUEST for a choice among no tools."""
    written = [_tool(tool, f"tools[{i}]", marks, losses) for i, tool in enumerate(prompt.tools)]
    tools = [tool for tool in written if tool is not None]
    choice = _choice(prompt, {tool["name"] for tool in tools}, losses)
    if not tools:
        return {}
    if prompt.parallel is False and (choice is None or choice["type"] != "none"):
        choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _tool(tool: Tool, path: str, marks: CacheMarks, losses: Losses) -> Json | None:
    if tool.is_custom:
        losses.lose(path, "Anthropic has no custom tools; use functions")
        return None
    written: Json = {"name": tool.name, "input_schema": {"type": "object"} | (tool.schema or {})}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.is_strict:
        written["strict"] = True
    return marks.put(written, tool.cache, path)


def _choice(prompt: Prompt, names: set[str], losses: Losses) -> Json | None:
    choice = prompt.choice
    if choice is None or (not prompt.tools and choice.mode in {"auto", "none"}):
        return None
    if not prompt.tools:
        raise refusal("tool_choice", "tool_choice asks for a tool, but there are no tools")
    if not names or not _is_there(choice, names):
        losses.lose("tool_choice", "it asks for a tool that Anthropic cannot have")
        return None
    return {"type": "tool", "name": choice.name} if choice.mode == "tool" else {"type": MODES[choice.mode]}


def _is_there(choice: Choice, names: set[str]) -> bool:
    return choice.mode != "tool" or (not choice.is_custom and choice.name in names)
