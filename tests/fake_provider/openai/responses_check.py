"""What Responses refuses, as far as a gateway could be at fault."""

from typing import Any

from fake_provider import seals
from fake_provider.exchange import Exchange
from fake_provider.openai.responses_question import CALLS, OUTPUTS, items_of
from fake_provider.openai.tools import MODES, check_function, check_range, check_strict
from fake_provider.refusal import Refusal, demand, unknown

MEMBERS = frozenset(
    [
        "access_programs",
        "background",
        "background_options",
        "context_management",
        "conversation",
        "image",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "model",
        "moderation",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
    ]
)
INCLUDABLE = frozenset(
    [
        "file_search_call.results",
        "web_search_call.results",
        "web_search_call.action.sources",
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "code_interpreter_call.outputs",
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
    ]
)
PARTS = {
    "user": {"input_text", "input_image", "input_file", "input_audio"},
    "system": {"input_text", "input_image", "input_file"},
    "developer": {"input_text", "input_image", "input_file"},
    "assistant": {"output_text", "refusal"},
}
PREFIXES = {"message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs"}
REQUIRED = {
    "message": ("role", "content"),
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
    "function_call_output": ("call_id", "output"),
    "custom_tool_call_output": ("call_id", "output"),
    "reasoning": ("summary",),
}
MAKER = "openai"
LONGEST_ID = 64


def check(exchange: Exchange) -> None:
    document = exchange.document
    if exchange.wishes.strict and (name := unknown(document, MEMBERS)):
        raise Refusal(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    demand(exchange.model, "Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    _check_previous(exchange)
    given = document.get("input")
    demand(given or document.get("previous_response_id"), "Missing required parameter: 'input'.", param="input")
    for number, item in enumerate(given if isinstance(given, list) else ()):
        _check_item(item, f"input[{number}]")
    _check_order(items_of(exchange))
    _check_tools(document)
    _check_members(document)


def _check_previous(exchange: Exchange) -> None:
    previous = exchange.document.get("previous_response_id")
    message = f"Previous response with id '{previous}' not found."
    known = previous is None or previous in exchange.memory.responses
    demand(known, message, param="previous_response_id", code="previous_response_not_found")


def _check_item(item: dict[str, Any], param: str) -> None:
    kind = item.get("type", "message")
    for name in REQUIRED.get(kind, ()):
        missing = f"Missing required parameter: '{param}.{name}'."
        demand(item.get(name) is not None, missing, param=f"{param}.{name}", code="missing_required_parameter")
    _check_ids(item, kind, param)
    if kind == "message":
        _check_parts(item, param)
    elif kind == "reasoning":
        _check_seal(item)
    elif kind == "function_call":
        wrong = f"Invalid type for '{param}.arguments': expected a string, but got an object instead."
        demand(isinstance(item["arguments"], str), wrong, param=f"{param}.arguments", code="invalid_type")
    elif kind not in REQUIRED and kind != "item_reference":
        raise Refusal(f"Invalid value: '{kind}'.", param=f"{param}.type", code="invalid_value")


def _check_ids(item: dict[str, Any], kind: str, param: str) -> None:
    given, prefix = item.get("id"), PREFIXES.get(kind, "")
    wrong = f"Invalid '{param}.id': '{given}'. Expected an ID that begins with '{prefix}'."
    demand(given is None or str(given).startswith(prefix), wrong, param=f"{param}.id", code="invalid_value")
    for name in ("id", "call_id"):
        length = len(str(item.get(name) or ""))
        message = f"Invalid '{param}.{name}': string too long. Expected a string with maximum length {LONGEST_ID}, but got a string with length {length} instead."
        demand(length <= LONGEST_ID, message, param=f"{param}.{name}", code="string_above_max_length")


def _check_parts(item: dict[str, Any], param: str) -> None:
    role, content = item["role"], item["content"]
    supported = ", ".join(f"'{known}'" for known in PARTS)
    demand(role in PARTS, f"Invalid value: '{role}'. Supported values are: {supported}.", param=f"{param}.role")
    for number, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type")
        kinds = " and ".join(f"'{known}'" for known in sorted(PARTS[role]))
        where = f"{param}.content[{number}]"
        demand(
            kind in PARTS[role],
            f"Invalid value: '{kind}'. Supported values are: {kinds}.",
            param=where,
            code="invalid_value",
        )
        nested = kind == "input_image" and not isinstance(part.get("image_url", ""), str)
        demand(
            not nested,
            f"Invalid type for '{where}.image_url': expected a string, but got an object instead.",
            param=where,
            code="invalid_type",
        )


def _check_seal(item: dict[str, Any]) -> None:
    """Thoughts prove themselves: by what they are encrypted with, or as those of a stored response (`_check_order`)."""
    sealed = item.get("encrypted_content")
    message = f"The encrypted content for item {item.get('id')} could not be verified."
    demand(sealed is None or seals.is_own(MAKER, sealed), message, code="invalid_encrypted_content")


def _check_order(items: list[dict[str, Any]]) -> None:
    """Every call has its output, every output its call, and thoughts have behind them what they were thought for."""
    called: set[str] = set()
    answered = {item["call_id"] for item in items if item.get("type") in OUTPUTS}
    for number, item in enumerate(items):
        kind = item.get("type")
        if kind in CALLS:
            called.add(item["call_id"])
            demand(
                item["call_id"] in answered, f"No tool output found for function call {item['call_id']}.", param="input"
            )
        elif kind in OUTPUTS:
            demand(
                item["call_id"] in called,
                f"No tool call found for function call output with call_id {item['call_id']}.",
                param="input",
            )
        elif kind == "reasoning":
            following = items[number + 1] if number + 1 < len(items) else {}
            follows = following.get("role") == "assistant" or following.get("type") in {*CALLS, "reasoning"}
            message = f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."
            demand(follows, message, param="input")


def _check_tools(document: dict[str, Any]) -> None:
    tools, choice = document.get("tools") or [], document.get("tool_choice")
    for number, tool in enumerate(tools):
        nested = f"Missing required parameter: 'tools[{number}].name'."
        demand(
            tool.get("type") not in {"function", "custom"} or tool.get("name"),
            nested,
            param=f"tools[{number}].name",
            code="missing_required_parameter",
        )
        if tool.get("type") == "function":
            check_function(tool, f"tools[{number}]")
    if isinstance(choice, str):
        demand(choice in MODES, f"Invalid value: '{choice}'.", param="tool_choice")
        demand(
            tools or choice != "required",
            "Tool choice 'required' must be specified with 'tools' parameter.",
            param="tool_choice",
        )
    elif isinstance(choice, dict) and choice.get("type") in {"function", "custom"}:
        names = [tool.get("name") for tool in tools]
        demand(
            choice.get("name") in names,
            f"Tool choice '{choice.get('name')}' not found in 'tools' parameter.",
            param="tool_choice",
        )


def _check_members(document: dict[str, Any]) -> None:
    check_range(document, "temperature", 0.0, 2.0)
    check_range(document, "top_p", 0.0, 1.0)
    check_range(document, "top_logprobs", 0, 20)
    check_range(document, "max_output_tokens", 16, 1 << 30)
    for name in document.get("include") or ():
        demand(name in INCLUDABLE, f"Invalid value: '{name}'.", param="include", code="invalid_value")
    shape = (document.get("text") or {}).get("format") or {}
    if shape.get("type") == "json_schema":
        demand(
            shape.get("name"),
            "Missing required parameter: 'text.format.name'.",
            param="text.format.name",
            code="missing_required_parameter",
        )
        if shape.get("strict"):
            check_strict(shape.get("schema"), f"response_format '{shape['name']}'", "text.format.schema")
