"""What the model may call, and whether it must: `tools` and `tool_choice`, and the `functions` and `function_call` that were before
them."""

from typing import Literal

from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_chat.content import read_mark
from provider_svc.dialects.openai_chat.schema import (
    AllowedTools,
    Custom,
    CustomFormat,
    Function,
    Json,
    Named,
    Request,
    ToolChoice,
)
from provider_svc.dialects.openai_chat.schema import Tool as AskedTool
from provider_svc.dialects.prompt import Choice, Tool

MODES: dict[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "required": "required"}


def read_tools(request: Request, losses: Losses) -> tuple[Tool, ...]:
    """All tools. Raises INVALID_REQUEST for a malformed one; tools of types that are OpenAI's own are lost."""
    tools = [_read_tool(tool, f"tools[{i}]", losses) for i, tool in enumerate(request.tools or ())]
    tools += [_read_function(function) for function in request.functions or ()]
    return tuple(tool for tool in tools if tool is not None)


def read_choice(request: Request, losses: Losses) -> Choice | None:
    """None where the client did not say."""
    if request.tool_choice is None:
        return _read_legacy_choice(request.function_call)
    if isinstance(request.tool_choice, str):
        return _read_mode(request.tool_choice, "tool_choice")
    match request.tool_choice:
        case ToolChoice(type="function", function=Named(name=name)):
            return Choice(mode="tool", name=name)
        case ToolChoice(type="custom", custom=Named(name=name)):
            return Choice(mode="tool", name=name, is_custom=True)
        case ToolChoice(type="allowed_tools", allowed_tools=AllowedTools(mode=mode)):
            losses.lose(
                "tool_choice.allowed_tools", "the target takes all tools or one; send those alone that are allowed"
            )
            return _read_mode(mode, "tool_choice.allowed_tools.mode")
    raise refusal("tool_choice", "tool_choice must be auto, none, required, or a tool by its name")


def read_parallel(request: Request) -> bool | None:
    """Whether several tools may be called at once. Who speaks of `functions` reads one call, and no more."""
    if request.functions and not request.tools:
        return False
    return request.parallel_tool_calls


def _read_tool(tool: AskedTool, path: str, losses: Losses) -> Tool | None:
    match tool:
        case AskedTool(type="function", function=Function() as function):
            return _read_function(function, tool)
        case AskedTool(type="custom", custom=Custom() as custom):
            return Tool(
                name=custom.name,
                description=custom.description,
                is_custom=True,
                format=_read_format(custom.format, path),
                cache=read_mark(tool.cache_control),
            )
        case AskedTool(type="function" | "custom"):
            raise refusal(f"{path}.{tool.type}", f"a tool of type {tool.type} needs its {tool.type}")
    losses.lose(path, f"tools of type {tool.type} are a maker's own, and the target has no counterpart of it")
    return None


def _read_function(function: Function, tool: AskedTool | None = None) -> Tool:
    control = function.cache_control or (tool.cache_control if tool else None)
    return Tool(
        name=function.name,
        description=function.description,
        schema=function.parameters,
        is_strict=function.strict,
        cache=read_mark(control),
    )


def _read_format(asked: CustomFormat | None, path: str) -> Json | None:
    """Here the grammar is an object of its own; in Responses, and in neutral tools, it lies flat."""
    if asked is None:
        return None
    if asked.type == "text":
        return {"type": "text"}
    if asked.type != "grammar" or asked.grammar is None:
        raise refusal(f"{path}.custom.format", "the format of a custom tool is text, or a grammar with its definition")
    return {"type": "grammar", "syntax": asked.grammar.syntax, "definition": asked.grammar.definition}


def _read_mode(mode: str, path: str) -> Choice:
    known = MODES.get(mode)
    if known is None:
        raise refusal(path, "tool_choice must be auto, none, required, or a tool by its name")
    return Choice(mode=known)


def _read_legacy_choice(choice: str | Named | None) -> Choice | None:
    if choice is None:
        return None
    return Choice(mode="tool", name=choice.name) if isinstance(choice, Named) else _read_mode(choice, "function_call")
