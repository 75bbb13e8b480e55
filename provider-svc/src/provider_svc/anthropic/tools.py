"""What the model may call, and whether it must."""

from collections.abc import Mapping

from provider_svc.anthropic.chat_schema import ChatRequest, Tool, ToolChoice
from provider_svc.anthropic.content import Json
from provider_svc.anthropic.members import refusal

CHOICES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any"}


def tool_members(request: ChatRequest) -> Json:
    """`tools` and `tool_choice` of a messages body; empty without tools.

    Raises INVALID_REQUEST for tools that are no functions, and for a choice that cannot be made.
    """
    if not request.tools:
        return _without_tools(request)
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(request.tools)]
    choice = _choice(request)
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def _without_tools(request: ChatRequest) -> Json:
    if request.tool_choice not in {None, "auto", "none"}:
        raise refusal("tool_choice", "tool_choice asks for a tool, but there are no tools")
    return {}


def _tool(tool: Tool, path: str) -> Json:
    function = tool.function
    if tool.type != "function" or function is None:
        raise refusal(f"{path}.type", f"Anthropic has no counterpart of tools of type {tool.type}")
    translated: Json = {"name": function.name, "input_schema": {"type": "object"} | (function.parameters or {})}
    if function.description is not None:
        translated["description"] = function.description
    if function.strict:
        translated["strict"] = True
    return translated


def _choice(request: ChatRequest) -> Json | None:
    choice = _named(request.tool_choice)
    if request.parallel_tool_calls is not False or (choice and choice["type"] == "none"):
        return choice
    return (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}


def _named(choice: str | ToolChoice | None) -> Json | None:
    match choice:
        case None:
            return None
        case str() if choice in CHOICES:
            return {"type": CHOICES[choice]}
        case ToolChoice(type="function", function=function) if function is not None:
            return {"type": "tool", "name": function.name}
    raise refusal("tool_choice", "tool_choice must be auto, none, required or a function by its name")
