"""What Chat Completions refuses, as far as a gateway could be at fault."""

from typing import Any

from fake_provider.exchange import Exchange
from fake_provider.openai.tools import MODES, check_function, check_range, check_strict
from fake_provider.refusal import Refusal, demand, unknown

MEMBERS = frozenset(
    [
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "modalities",
        "model",
        "moderation",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
    "function": {"text"},
}
CONTENT_MAY_BE_MISSING = ("tool_calls", "function_call", "refusal", "audio")


def check(exchange: Exchange) -> None:
    document = exchange.document
    if exchange.wishes.strict and (name := unknown(document, MEMBERS)):
        raise Refusal(f"Unrecognized request argument supplied: {name}")
    demand(exchange.model, "you must provide a model parameter")
    messages = document.get("messages")
    demand(isinstance(messages, list), "Missing required parameter: 'messages'.", param="messages")
    demand(messages, "Invalid 'messages': empty array. Expected an array with minimum length 1.", param="messages")
    assert isinstance(messages, list)
    for number, message in enumerate(messages):
        _check_message(message, f"messages.[{number}]")
    _check_order(messages)
    _check_tools(document)
    _check_members(document)


def _check_message(message: dict[str, Any], param: str) -> None:
    role, content = message.get("role"), message.get("content")
    supported = ", ".join(f"'{known}'" for known in PARTS)
    demand(role in PARTS, f"Invalid value: '{role}'. Supported values are: {supported}.", param=f"{param}.role")
    stands_alone = role == "assistant" and any(message.get(name) for name in CONTENT_MAY_BE_MISSING)
    invalid = f"Invalid value for 'content': expected a string, got null. ({param})"
    demand(content is not None or stands_alone, invalid, param=f"{param}.content")
    if isinstance(content, list):
        for part in content:
            kind = part.get("type")
            wrong = f"Invalid value: '{kind}'. Supported values are: {sorted(PARTS[str(role)])}."
            demand(kind in PARTS[str(role)], wrong, param=f"{param}.content", code="invalid_value")
    for call in message.get("tool_calls") or ():
        arguments = (call.get("function") or call.get("custom") or {}).get("arguments", "")
        demand(isinstance(arguments, str), f"Invalid type for '{param}.tool_calls': expected a string.", param=param)


def _check_order(messages: list[dict[str, Any]]) -> None:
    """Every call has its result behind it, and every result its call before it."""
    open_calls: dict[str, int] = {}
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            demand(
                open_calls.pop(str(message.get("tool_call_id")), None) is not None,
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                param=f"messages.[{number}].role",
            )
            continue
        _demand_no_open(open_calls)
        open_calls = {call["id"]: number for call in message.get("tool_calls") or ()}
    _demand_no_open(open_calls)


def _demand_no_open(open_calls: dict[str, int]) -> None:
    demand(
        not open_calls,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
        param="messages",
    )


def _check_tools(document: dict[str, Any]) -> None:
    tools, choice = document.get("tools"), document.get("tool_choice")
    for name in ("tool_choice", "parallel_tool_calls"):
        asked = document.get(name) is not None and document.get(name) != "none"
        demand(
            tools or not asked,
            f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.",
            param=name,
        )
    for number, tool in enumerate(tools or ()):
        if tool.get("type") != "custom":
            check_function(tool.get("function") or {}, f"tools[{number}].function")
    if isinstance(choice, str):
        demand(
            choice in MODES,
            f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.",
            param="tool_choice",
        )
    elif isinstance(choice, dict) and choice.get("type") in {"function", "custom"}:
        kind = choice["type"]
        names = [tool[kind]["name"] for tool in tools or () if tool.get("type") == kind]
        named = (choice.get(kind) or {}).get("name")
        demand(named in names, f"Tool choice '{named}' not found in 'tools' parameter.", param="tool_choice")


def _check_members(document: dict[str, Any]) -> None:
    check_range(document, "temperature", 0.0, 2.0)
    check_range(document, "top_p", 0.0, 1.0)
    check_range(document, "top_logprobs", 0, 20)
    check_range(document, "frequency_penalty", -2.0, 2.0)
    check_range(document, "presence_penalty", -2.0, 2.0)
    both = document.get("max_tokens") is not None and document.get("max_completion_tokens") is not None
    demand(
        not both,
        "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        param="max_tokens",
    )
    lonely = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    demand(document.get("stream") or not document.get("stream_options"), lonely, param="stream_options")
    needs = "'top_logprobs' is only allowed when 'logprobs' is true."
    demand(document.get("logprobs") or document.get("top_logprobs") is None, needs, param="top_logprobs")
    stop = document.get("stop")
    demand(not isinstance(stop, list) or len(stop) <= 4, "Invalid 'stop': array too long.", param="stop")
    _check_shape(document.get("response_format") or {})


def _check_shape(shape: dict[str, Any]) -> None:
    if shape.get("type") == "json_schema":
        asked = shape.get("json_schema") or {}
        where = "response_format.json_schema"
        demand(asked.get("name"), f"Missing required parameter: '{where}.name'.", param=f"{where}.name")
        if asked.get("strict"):
            check_strict(asked.get("schema"), f"response_format '{asked['name']}'", where)
