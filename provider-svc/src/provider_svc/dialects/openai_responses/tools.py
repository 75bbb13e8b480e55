"""What the model may call, and whether it must: read, and written."""

from collections.abc import Mapping
from typing import Literal

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_responses.schema import AllowedChoice, CustomTool, FunctionTool, NamedChoice, read
from provider_svc.dialects.prompt import Choice, Json, Tool

MODES: Mapping[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "required": "required"}


def read_tools(tools: list[Json], losses: Losses) -> tuple[Tool, ...]:
    """Functions and custom tools; those that OpenAI runs itself are lost."""
    found = (_read_tool(tool, f"tools[{i}]", losses) for i, tool in enumerate(tools))
    return tuple(tool for tool in found if tool is not None)


def _read_tool(tool: Json, path: str, losses: Losses) -> Tool | None:
    match tool.get("type"):
        case "function":
            said = read(tool, FunctionTool, path, losses)
            return Tool(name=said.name, description=said.description, schema=said.parameters, is_strict=said.strict)
        case "custom":
            own = read(tool, CustomTool, path, losses)
            return Tool(name=own.name, description=own.description, format=own.format, is_custom=True)
        case kind:
            losses.lose(path, f"this model has no tools of type {str(kind)[:100]!r}; leave it out")
            return None


def read_choice(
    choice: str | Json | None, tools: tuple[Tool, ...], losses: Losses
) -> tuple[Choice | None, tuple[Tool, ...]]:
    """The choice, and the tools that it leaves: allowed ones are kept by leaving out the others. Raises INVALID_REQUEST for a word
    that OpenAI does not know."""
    if choice is None:
        return None, tools
    if isinstance(choice, str):
        if choice not in MODES:
            raise refusal("tool_choice", "tool_choice must be auto, none, required, or an object that names a tool")
        return Choice(mode=MODES[choice]), tools
    match choice.get("type"):
        case "function" | "custom" as kind:
            named = read(choice, NamedChoice, "tool_choice", losses)
            return Choice(mode="tool", name=named.name, is_custom=kind == "custom"), tools
        case "allowed_tools":
            return _read_allowed(read(choice, AllowedChoice, "tool_choice", losses), tools, losses)
        case kind:
            losses.lose("tool_choice", f"this model has no tools of type {str(kind)[:100]!r}; leave it out")
            return None, tools


def _read_allowed(
    choice: AllowedChoice, tools: tuple[Tool, ...], losses: Losses
) -> tuple[Choice | None, tuple[Tool, ...]]:
    if choice.mode not in {"auto", "required"}:
        raise refusal("tool_choice.mode", "tool_choice.mode must be auto or required")
    allowed = set()
    for i, tool in enumerate(choice.tools):
        if tool.get("type") not in ("function", "custom"):  # compared, not hashed: it may be anything
            losses.lose(f"tool_choice.tools[{i}]", "this model has functions and custom tools only; leave it out")
        allowed.add((tool.get("type") == "custom", str(tool.get("name"))))
    kept = tuple(tool for tool in tools if (tool.is_custom, tool.name) in allowed)
    return Choice(mode=MODES[choice.mode]), kept


def write_tools(tools: tuple[Tool, ...], losses: Losses) -> list[Json]:
    """The tools, each with its `strict`: what is left out is true to OpenAI's Responses, and false to everybody else."""
    for i, tool in enumerate(tools):
        if tool.cache is not None:
            losses.drop(f"tools[{i}].cache_control")
    return [_write_tool(tool) for tool in tools]


def _write_tool(tool: Tool) -> Json:
    written: Json = {"type": "custom" if tool.is_custom else "function", "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if not tool.is_custom:
        written["parameters"] = tool.schema if tool.schema is not None else {"type": "object", "properties": {}}
        written["strict"] = bool(tool.is_strict)
    elif tool.format is not None:
        written["format"] = tool.format
    return written


def write_choice(choice: Choice) -> str | Json:
    """`tool_choice`."""
    if choice.mode != "tool":
        return choice.mode
    return {"type": "custom" if choice.is_custom else "function", "name": choice.name}
