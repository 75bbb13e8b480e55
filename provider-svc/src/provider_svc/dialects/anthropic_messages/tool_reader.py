"""Anthropic's tools and tool choice as a prompt's."""

from collections.abc import Mapping, Sequence
from typing import Literal

from provider_svc.dialects.anthropic_messages import schema
from provider_svc.dialects.anthropic_messages.members import need
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import Choice, Tool

MODES: Mapping[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "any": "required"}

# How a tool's definition travels or is explained; not what the tool is.
HINTS = ("defer_loading", "eager_input_streaming", "input_examples")


def read_tools(tools: Sequence[schema.Tool], losses: Losses) -> tuple[Tool, ...]:
    """The client's own tools. Those that Anthropic defines or runs are lost, each by its name."""
    read = (_tool(tool, f"tools[{i}]", losses) for i, tool in enumerate(tools))
    return tuple(tool for tool in read if tool is not None)


def _tool(tool: schema.Tool, path: str, losses: Losses) -> Tool | None:
    if tool.type not in {None, "custom"}:
        losses.lose(path, f"only Anthropic has tools of type {tool.type}; define a tool of your own")
        return None
    if tool.allowed_callers is not None and "direct" not in tool.allowed_callers:
        losses.lose(path, "only Anthropic's code execution calls tools; allow direct calls")
        return None
    for name in HINTS:
        if getattr(tool, name):
            losses.drop(f"tools[].{name}")  # once for all of them: an agent has many
    return Tool(
        name=tool.name or _nameless(path),
        description=tool.description,
        schema=need(tool.input_schema, f"{path}.input_schema", "the input_schema of a tool"),
        is_strict=tool.strict,
        cache=tool.cache_control,
    )


def _nameless(path: str) -> str:
    raise refusal(f"{path}.name", "the name of a tool is missing")


def read_choice(choice: schema.ToolChoice | None, tools: Sequence[Tool], losses: Losses) -> Choice | None:
    """What must be called, of the tools that are left."""
    if choice is None:
        return None
    if choice.type == "tool":
        name = need(choice.name, "tool_choice.name", "the name of the tool")
        if any(tool.name == name for tool in tools):
            return Choice(mode="tool", name=name)
    elif choice.type not in MODES:
        raise refusal("tool_choice.type", "tool_choice must be of type auto, any, none or tool")
    elif tools or choice.type != "any":
        return Choice(mode=MODES[choice.type])
    losses.lose("tool_choice", "it asks for a tool that is not there")
    return None


def read_parallel(choice: schema.ToolChoice | None) -> bool | None:
    """False where only one call at a time is allowed; that more are is everybody's default."""
    return False if choice is not None and choice.disable_parallel_tool_use else None
